"""Datasets: make them, fill them from a folder or an items list."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tqdm.auto import tqdm

from winnow.errors import Invalid
from winnow.runs import Run
from winnow.transport import Transport

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff"})


@dataclass
class Upload:
    """What became of a folder: names that came in, names that were there already, and the rest with reasons."""

    created: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    failed: list[tuple[str, str]] = field(default_factory=list)


class Dataset:
    """A named container of images."""

    def __init__(self, transport: Transport, organization: str, data: dict[str, Any]) -> None:
        self._transport = transport
        self._organization = organization
        self.id: int = data["id"]
        self.name: str = data["name"]
        self.description: str = data["description"]
        self._path = f"{organization}/datasets/{self.id}"

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Every datapoint, fetched a page at a time."""
        return self._transport.pages(f"{self._path}/datapoints")

    def __len__(self) -> int:
        return int(self._transport.get(self._path)["datapoints"])

    def upload(self, folder: Path | str, *, threads: int = 4, progress: bool = True) -> Upload:
        """Upload the images of a folder and its sub-folders; names are paths within it.

        Sent again after a broken connection it goes on where it stopped: names that are there already are skipped.
        """
        root = Path(folder)
        files = sorted(file for file in root.rglob("*") if file.suffix.lower() in SUFFIXES)
        known = {row["name"] for row in self}
        outcome = Upload()
        todo: list[tuple[Path, str]] = []
        for file in files:
            name = file.relative_to(root).as_posix()
            (outcome.skipped.append(name) if name in known else todo.append((file, name)))
        with ThreadPoolExecutor(threads) as pool, tqdm(total=len(todo), unit="image", disable=not progress) as bar:
            for name, reason in pool.map(self._upload_one, todo):
                (outcome.failed.append((name, reason)) if reason else outcome.created.append(name))
                bar.update()
        return outcome

    def _upload_one(self, what: tuple[Path, str]) -> tuple[str, str]:
        file, name = what
        try:
            content = file.read_bytes()
            self._transport.post(
                f"{self._path}/datapoints", files={"file": (Path(name).name, content)}, data={"name": name}
            )
        except (Invalid, OSError) as error:
            return name, str(error)
        return name, ""

    def import_items(self, storage_method: str, items: Sequence[dict[str, Any]], *, wait: bool = True) -> Run:
        """Import an items list: `[{"items": ["folder/a.png"], "name"?, "labels"?}]` or `[{"url", "name"?}]`."""
        body = {"storage_method": storage_method, "items": list(items)}
        run = Run(self._transport, self._organization, self._transport.post(f"{self._path}/imports", body))
        return run.wait() if wait else run

    def delete(self) -> None:
        self._transport.delete(self._path)

    def __repr__(self) -> str:
        return f"<winnow.Dataset {self.name}>"
