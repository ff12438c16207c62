"""Labelsets: read the final labels, export them to this machine."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tqdm.auto import tqdm

from winnow.archives import unpack
from winnow.errors import Conflict, NotFound, WinnowError
from winnow.names import safe_name
from winnow.rows import Rows
from winnow.runs import Run
from winnow.transport import Transport

FORMATS = ("coco", "yolo", "voc", "csv", "redbrick")
CURSORS = "winnow-export.json"


class Labelset:
    """Final labels, with their provenance."""

    def __init__(self, transport: Transport, organization: str, data: dict[str, Any]) -> None:
        self._transport = transport
        self._organization = organization
        self.data = data
        self.id: int = data["id"]
        self.name: str = data["name"]
        self._path = f"{organization}/labelsets/{self.id}"

    @property
    def entries(self) -> Rows:
        """Every entry in RedBrick's exchange form, fetched as they are walked through."""
        return Rows(self._transport, f"{self._path}/entries")

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return iter(self.entries)

    def __len__(self) -> int:
        return int(self._transport.get(self._path)["entries"])

    def to_pandas(self) -> Any:
        """One row a box; needs pandas to be installed."""
        import pandas  # type: ignore[import-untyped,unused-ignore]

        return pandas.DataFrame([row for entry in self for row in _boxes(entry)])

    def export(
        self,
        format: str = "coco",  # noqa: A002
        *,
        to: Path | str = ".",
        images: bool = False,
        incremental: bool = False,
        progress: bool = True,
        **filters: Any,
    ) -> Path:
        """Write the labels into a folder; returns their file.

        With `images` the images come along, upright as the boxes are, where the format has them: `images/` beside the
        file, or a whole folder of YOLO or VOC to train from, which is then what is returned. Names are safe for every
        disk; `winnow.json` says which had to change and what is missing. Exported again into the same folder, YOLO and
        VOC replace what they wrote there before; files of your own stay, and so do other splits when one is exported.

        Filters are the server's: `source`, `category` (class id), `low` and `high` (confidence), `q` (name), `split`
        (train, val, test), `only_matching_boxes`, `since` (a cursor). With `incremental` only what has changed since
        the last export into this folder in this format and with these filters is written, deletions too, into a file
        of its own; the first time that is everything.

        The file appears whole or not at all. Called again after an interruption, the download goes on where it broke
        off.
        """
        if format not in FORMATS:
            raise ValueError(f"format must be one of {', '.join(FORMATS)}, not {format!r}.")
        folder = Path(to)
        folder.mkdir(parents=True, exist_ok=True)
        cursors = _Cursors(folder / CURSORS, f"{self.id} {format} {_digest(filters)}")
        wanted = {"since": cursors.last if incremental else "", **filters, "format": format, "images": images}
        file, result = self._fetch(folder, wanted, progress)
        if "since" not in filters:
            cursors.keep(result["cursor"])
        return file

    def _fetch(self, folder: Path, wanted: dict[str, Any], progress: bool) -> tuple[Path, dict[str, Any]]:
        """The file of a run, begun before and broken off, or begun now."""
        part = folder / f".{safe_name(self.name)}.{_digest(wanted)}.part"
        note = part.with_suffix(".json")
        run = self._begun(note) if part.exists() and note.exists() else None
        if run is None:
            part.unlink(missing_ok=True)
            run = Run(self._transport, self._organization, self._transport.post(f"{self._path}/exports", wanted))
            note.write_text(json.dumps(run.data), encoding="utf-8")
            part.touch()
        run.wait(progress=progress)
        url = f"{self._organization}/exports/{run.data['uid']}/file"
        with tqdm(
            total=run.result["bytes"], initial=part.stat().st_size, unit="B", unit_scale=True,
            disable=not progress, desc=run.result["name"],
        ) as bar:  # fmt: skip
            self._transport.download(url, part, tell=bar.update)
        name = self._file_name(run.result, bool(wanted["since"]))
        if wanted["images"]:
            file = unpack(
                part, folder, name.removesuffix(".zip"), is_change=bool(wanted["since"]),
                format=wanted["format"], split=wanted.get("split") or "",
            )  # fmt: skip
            part.unlink()
        else:
            file = folder / name
            os.replace(part, file)
        note.unlink()
        return file, run.result

    def _begun(self, note: Path) -> Run | None:
        """The run of an interrupted export, if its file is still to be had."""
        run = Run(self._transport, self._organization, json.loads(note.read_text(encoding="utf-8")))
        try:
            run.refresh()
        except (NotFound, Conflict):
            return None
        return run if run.status in {"queued", "running", "done"} and not run.result.get("forgotten") else None

    def _file_name(self, result: dict[str, Any], is_change: bool) -> str:
        suffix = str(result["path"]).rpartition("/")[2].split(".", 1)[1]
        changes = f".since-{result['cursor'].rpartition('.')[2]}" if is_change else ""
        return f"{safe_name(self.name)}{changes}.{suffix}"

    def __repr__(self) -> str:
        return f"<winnow.Labelset {self.name}>"


class _Cursors:
    """Up to where exports into a folder have gone, one cursor for each labelset, format and choice of entries."""

    def __init__(self, file: Path, key: str) -> None:
        self._file = file
        self._key = key

    @property
    def last(self) -> str:
        return str(self._read().get(self._key, ""))

    def keep(self, cursor: str) -> None:
        part = self._file.with_suffix(".part")
        part.write_text(json.dumps({**self._read(), self._key: cursor}, indent=1), encoding="utf-8")
        os.replace(part, self._file)

    def _read(self) -> dict[str, Any]:
        if not self._file.exists():
            return {}
        try:
            return dict(json.loads(self._file.read_text(encoding="utf-8")))
        except ValueError as error:
            reason = "cannot be read: delete it, and the next export has everything again."
            raise WinnowError(f"{self._file} {reason}") from error


def _digest(values: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:12]


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
