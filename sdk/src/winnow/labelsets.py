"""Labelsets: read the final labels, export them to this machine."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
from tqdm.auto import tqdm

from winnow.transport import Transport

FORMATS = {"coco": "json", "yolo": "zip", "voc": "zip", "csv": "csv", "redbrick": "json"}
_UNSAFE = re.compile(r"[^\w.\-]+")
_RESERVED = re.compile(r"(?i)^(con|prn|aux|nul|com\d|lpt\d)(\..*)?$")


class Labelset:
    """Final labels, with their provenance."""

    def __init__(self, transport: Transport, organization: str, data: dict[str, Any]) -> None:
        self._transport = transport
        self.data = data
        self.id: int = data["id"]
        self.name: str = data["name"]
        self._path = f"{organization}/labelsets/{self.id}"

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Every entry in RedBrick's exchange form, fetched a page at a time."""
        return self._transport.pages(f"{self._path}/entries")

    def __len__(self) -> int:
        return int(self._transport.get(self._path)["entries"])

    def to_pandas(self) -> Any:
        """One row a box; needs pandas to be installed."""
        import pandas

        return pandas.DataFrame([row for entry in self for row in _boxes(entry)])

    def export(
        self,
        format: str = "coco",  # noqa: A002
        *,
        to: Path | str = ".",
        images: bool = False,
        progress: bool = True,
        **filters: Any,
    ) -> Path:
        """Write the labels, and the images beside them if asked for, into a folder; returns the labels' file.

        The file appears whole or not at all. Images that are there already are not fetched again.
        """
        if format not in FORMATS:
            raise ValueError(f"format must be one of {', '.join(FORMATS)}, not {format!r}.")
        folder = Path(to)
        folder.mkdir(parents=True, exist_ok=True)
        file = folder / f"{safe_name(self.name)}.{FORMATS[format]}"
        partial = file.with_name(file.name + ".part")
        chunks = self._transport.stream(f"{self._path}/export", {"format": format, **filters})
        with partial.open("wb") as stream, tqdm(unit="B", unit_scale=True, disable=not progress, desc=file.name) as bar:
            for chunk in chunks:
                stream.write(chunk)
                bar.update(len(chunk))
        os.replace(partial, file)
        if images:
            self._fetch_images(folder / "images", progress)
        return file

    def _fetch_images(self, folder: Path, progress: bool) -> None:
        folder.mkdir(exist_ok=True)
        names = Names()
        for entry in tqdm(self, total=len(self), unit="image", disable=not progress):
            file = folder / names.take(entry["name"], entry["dpId"])
            if not file.exists():
                self._fetch(entry["itemsPresigned"][0], file)
        (folder / "names.json").write_text(json.dumps(names.originals, indent=1), encoding="utf-8")

    def _fetch(self, url: str, file: Path) -> None:
        partial = file.with_name(file.name + ".part")
        # An absolute URL may be pre-signed by another host: the key must not travel there.
        own = url.startswith("/") or url.startswith(str(self._transport.http.base_url.copy_with(path="/")))
        client = self._transport.http if own else httpx.Client(timeout=60, follow_redirects=True)
        with client.stream("GET", url) as response, partial.open("wb") as stream:
            response.raise_for_status()
            for chunk in response.iter_bytes():
                stream.write(chunk)
        os.replace(partial, file)

    def __repr__(self) -> str:
        return f"<winnow.Labelset {self.name}>"


def safe_name(name: str, limit: int = 150) -> str:
    """A file name that no file system refuses and that cannot leave its folder."""
    flat = _UNSAFE.sub("_", name.replace("/", "_")).lstrip(".") or "_"
    if _RESERVED.match(flat):
        flat = f"_{flat}"
    stem, dot, suffix = flat.rpartition(".")
    return f"{stem[: limit - len(suffix) - 1]}.{suffix}" if dot and len(suffix) <= 8 else flat[:limit]


class Names:
    """File names of one export: safe, and unique on file systems that ignore case as well."""

    def __init__(self) -> None:
        self._owner: dict[str, str] = {}
        self.originals: dict[str, str] = {}

    def take(self, name: str, key: str) -> str:
        safe = safe_name(name)
        if self._owner.setdefault(safe.lower(), key) != key:
            safe = f"{key}_{safe}"
            self._owner[safe.lower()] = key
        self.originals[safe] = name
        return safe


def _boxes(entry: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {
            "name": entry["name"],
            "dp_id": entry["dpId"],
            "category": "/".join(label["category"][0][1:]),
            "x": label["bbox2d"]["xnorm"],
            "y": label["bbox2d"]["ynorm"],
            "w": label["bbox2d"]["wnorm"],
            "h": label["bbox2d"]["hnorm"],
            "source": label.get("source"),
            "confidence": _optional(label.get("confidence")),
        }
        for label in entry["labels"]
    ]


def _optional(value: float | None) -> float | None:
    return None if value is None else float(value)
