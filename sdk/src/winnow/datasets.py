"""Datasets: make them, fill them from a folder, an items list, a bucket or an archive."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tqdm.auto import tqdm

from winnow.errors import Invalid, WinnowError
from winnow.rows import Rows
from winnow.runs import Run
from winnow.transport import Transport

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff"})


@dataclass(repr=False)
class Upload:
    """What became of a folder: names that came in, names that were there already, and the rest with reasons."""

    created: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    failed: list[tuple[str, str]] = field(default_factory=list)

    def __repr__(self) -> str:
        return f"<winnow.Upload: {len(self.created)} created, {len(self.skipped)} skipped, {len(self.failed)} failed>"


class Import:
    """One way in: what came of it, what failed and why; tried again, undone."""

    def __init__(self, transport: Transport, organization: str, data: dict[str, Any]) -> None:
        self._transport = transport
        self._organization = organization
        self.data = data
        self.id: int = data["id"]
        self._path = f"{organization}/imports/{self.id}"

    @property
    def failures(self) -> Rows:
        """Everything that did not come in: position, name, reason."""
        return Rows(self._transport, f"{self._path}/failures")

    def refresh(self) -> Import:
        self.data = self._transport.get(self._path)
        return self

    def wait(self, *, progress: bool = True) -> Import:
        """Return when its run has ended; raise RunFailed when it failed."""
        if self.data["run"]:
            Run(self._transport, self._organization, self.data["run"]).wait(progress=progress)
        return self.refresh()

    def retry(self) -> Import:
        self.data = self._transport.post(f"{self._path}/retry")
        return self

    def undo(self) -> Import:
        """Remove what it created, unless it is used."""
        self.data = self._transport.post(f"{self._path}/undo")
        return self

    def __repr__(self) -> str:
        counts = ", ".join(f"{self.data[key]} {key}" for key in ("created", "skipped", "failed"))
        return f"<winnow.Import {self.data['source']} {self.id}: {counts}>"


class Dataset:
    """A named container of images."""

    def __init__(self, transport: Transport, organization: str, data: dict[str, Any]) -> None:
        self._transport = transport
        self._organization = organization
        self.id: int = data["id"]
        self.name: str = data["name"]
        self.description: str = data["description"]
        self._path = f"{organization}/datasets/{self.id}"

    @property
    def datapoints(self) -> Rows:
        """Every image: id, name, path, URL, size; fetched as they are walked through."""
        return Rows(self._transport, f"{self._path}/datapoints")

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return iter(self.datapoints)

    def __len__(self) -> int:
        return int(self._transport.get(self._path)["datapoints"])

    def to_pandas(self) -> Any:
        """A row an image; needs pandas to be installed."""
        return self.datapoints.to_pandas()

    def upload(self, folder: Path | str, *, threads: int = 4, progress: bool = True) -> Upload:
        """Upload the images of a folder and its sub-folders; names are paths within it.

        Called again after an interruption it goes on where it stopped: names that are there already are skipped.
        """
        if threads < 1:
            raise WinnowError(f"threads must be at least 1, not {threads}: so many images are uploaded at a time.")
        root = Path(folder)
        if not root.is_dir():
            raise NotADirectoryError(f"{root} is not a folder.")
        files = sorted(file for file in root.rglob("*") if file.suffix.lower() in SUFFIXES and file.is_file())
        known = {row["name"] for row in Rows(self._transport, f"{self._path}/datapoints", limit=1000)}
        names = [(file, file.relative_to(root).as_posix()) for file in files]
        outcome = Upload(skipped=[name for _, name in names if name in known])
        todo = [(file, name) for file, name in names if name not in known]
        if todo:
            series = self._transport.post(f"{self._path}/imports/uploads")["id"]
            with tqdm(total=len(todo), unit="image", disable=not progress) as bar:
                self._upload(todo, series, threads, outcome, bar)
        return outcome

    def _upload(self, todo: list[tuple[Path, str]], series: int, threads: int, outcome: Upload, bar: tqdm[Any]) -> None:
        """So many at a time and no more waiting: an interruption is felt at once, and a million names cost nothing."""
        with ThreadPoolExecutor(threads) as pool:
            waiting: set[Future[tuple[str, str]]] = set()
            for file, name in [*todo, (None, "")]:
                while waiting and (file is None or len(waiting) >= 2 * threads):
                    done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
                    for future in done:
                        which, reason = future.result()
                        (outcome.failed.append((which, reason)) if reason else outcome.created.append(which))
                        bar.update()
                if file is not None:
                    waiting.add(pool.submit(self._upload_one, file, name, series))

    def _upload_one(self, file: Path, name: str, series: int) -> tuple[str, str]:
        # Bytes of a name that are not UTF-8 can be neither sent nor printed.
        shown = name.encode(errors="replace").decode()
        if shown != name:
            return shown, "Its name, or that of its folder, is not UTF-8: rename it."
        try:
            content = {"file": (Path(name).name, file.read_bytes())}
            fields = {"name": name, "import_id": str(series)}
            self._transport.post(f"{self._path}/datapoints", files=content, data=fields)
        except (Invalid, OSError) as error:
            return name, str(error)
        return name, ""

    def import_items(
        self,
        storage_method: str,
        items: Sequence[dict[str, Any]] | Path | str,
        *,
        labelset: str | None = None,
        wait: bool = True,
        progress: bool = True,
    ) -> Import:
        """Import an items list, or the JSON file that holds it.

        An item is `{"items": ["folder/a.png"]}` or `{"url": "…"}`, with an optional name, labels, priority and
        metaData; labels go to `labelset`.
        """
        content = Path(items).read_bytes() if isinstance(items, (str, Path)) else json.dumps(list(items)).encode()
        fields = {"storage_method": storage_method, "labelset": labelset or ""}
        files = {"file": ("items.json", content)}
        return self._begin("items-file", wait, progress, files=files, data=fields)

    def import_bucket(
        self, storage_method: str, prefix: str = "", pattern: str = "", *, wait: bool = True, progress: bool = True
    ) -> Import:
        """Import what a bucket holds under a prefix; done again, only what is new."""
        body = {"storage_method": storage_method, "prefix": prefix, "pattern": pattern}
        return self._begin("bucket", wait, progress, body=body)

    def import_archive(
        self,
        file: Path | str,
        *,
        labels: Path | str | None = None,
        labelset: str = "",
        wait: bool = True,
        progress: bool = True,
    ) -> Import:
        """Import the pictures of a ZIP archive; names are paths within it. `labels` is a file of labels for them."""
        sent = {"file": Path(file), **({"labels": Path(labels)} if labels else {})}
        files = {name: (path.name, path.read_bytes()) for name, path in sent.items()}
        return self._begin("archive", wait, progress, files=files, data={"labelset": labelset})

    def import_folder(self, root: str, folder: str = "", *, wait: bool = True, progress: bool = True) -> Import:
        """Copy the pictures of a folder of the server's machine, of those its operator has opened."""
        return self._begin("folder", wait, progress, body={"root": root, "folder": folder})

    def _begin(self, way: str, wait: bool, progress: bool, **request: Any) -> Import:
        data = self._transport.post(f"{self._path}/imports/{way}", **request)
        begun = Import(self._transport, self._organization, data)
        return begun.wait(progress=progress) if wait else begun

    def delete(self) -> None:
        """Delete it with its images; refused while a project or a labelset holds on to them."""
        self._transport.delete(self._path)

    def __repr__(self) -> str:
        return f"<winnow.Dataset {self.name}>"
