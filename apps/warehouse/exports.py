"""A labelset as a file: chosen entries of one consistent snapshot, streamed, constant in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain, islice
from typing import Any

import msgspec
from django.db import connection, transaction
from django.db.models import QuerySet, TextField, Value
from django.db.models.functions import Cast, Coalesce
from django.utils import timezone

from apps.accounts import audit
from apps.accounts.models import User
from apps.common.http import Conflict
from apps.taxonomies import services as taxonomies
from apps.taxonomies.trees import ROOT
from apps.warehouse import changes, export_images, preparing
from apps.warehouse.formats import (
    Class,
    Content,
    Gone,
    Item,
    Items,
    Label,
    Problem,
    coco,
    listed,
    redbrick,
    table,
    voc,
    yolo,
)  # fmt: skip
from apps.warehouse.formats.names import ABOUT, SUFFIXES, Names, Renamed, split_of
from apps.warehouse.formats.zipstream import File, stream
from apps.warehouse.models import Datapoint, Labelset, LabelsetEntry

ROWS_AT_ONCE = 1000
# Few enough that their labels stay in the processor's cache from when they are read to when they are written.
ITEMS_AT_ONCE = 50
# So many images are looked at before an export begins; more would let whoever asked wait too long.
SIZES_AT_ONCE = 1000
NO_SIZE = "Its size is not known yet."
_COLUMNS = (
    Cast("datapoint__uid", TextField()), "datapoint__name", "datapoint__path", "datapoint__storage_id",
    Coalesce("datapoint__width", 0), Coalesce("datapoint__height", 0), "source", "confidence", "cycle",
    Cast("task_uid", TextField()), "author__email",
)  # fmt: skip

Entries = QuerySet[LabelsetEntry]
_labels = msgspec.json.Decoder(list[Label]).decode


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What of a labelset goes out, and what comes with it."""

    q: str = ""
    category: int | None = None
    source: str = ""
    low: float | None = None
    high: float | None = None
    split: str = ""
    # Boxes of other classes, sources, confidences than the chosen ones are left out, not only images without any.
    only_matching_boxes: bool = False
    images: bool = False
    # The cursor of an earlier export: only what has changed since, and what is gone.
    since: str = ""
    leave_out_unsized: bool = False

    def entries(self, labelset: Labelset) -> Entries:
        chosen = {"q": self.q, "category": self.category, "source": self.source, "low": self.low, "high": self.high}
        return labelset.entries.matching(**chosen)  # type: ignore[arg-type]

    def keeps(self, label: Label) -> bool:
        score = label.confidence
        return (
            (self.category is None or label.category == self.category)
            and (not self.source or label.source == self.source)
            and (self.low is None or (score is not None and score >= self.low))
            and (self.high is None or (score is not None and score <= self.high))
        )

    def is_in_split(self, name: str) -> bool:
        return not self.split or split_of(name) == self.split


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """One way out: written as one text, or as files of an archive. In pixels it needs the size of every image."""

    label: str
    about: str
    media_type: str
    suffix: str
    write: Callable[[Content], Iterator[bytes]] | None = None
    files: Callable[[Content], Iterator[File]] | None = None
    image_path: Callable[[Item, str], str] = lambda item, file: f"images/{file}"
    in_pixels: bool = True


ZIP = "application/zip"
FORMATS = {
    "coco": Format(
        label="COCO", about="One JSON file. Boxes in pixels, with source and score.", media_type="application/json",
        suffix="json", write=coco.write,
    ),
    "yolo": Format(
        label="YOLO", about="A text file an image, in splits, and data.yaml. Without source and confidence.",
        media_type=ZIP, suffix="yolo.zip", files=yolo.files, image_path=yolo.image_path, in_pixels=False,
    ),
    "voc": Format(
        label="Pascal VOC", about="An XML file an image. Corners in pixels, source, confidence.", media_type=ZIP,
        suffix="voc.zip", files=voc.files, image_path=voc.image_path,
    ),
    "csv": Format(
        label="CSV", about="A row a box, for spreadsheets and pandas.", media_type="text/csv; charset=utf-8",
        suffix="csv", write=table.write,
    ),
    "redbrick": Format(
        label="RedBrick JSON", about="The exchange form, exact: an items list reads it back.",
        media_type="application/json", suffix="redbrick.json", write=redbrick.write, in_pixels=False,
    ),
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Export:
    """What is sent: the file in pieces, how to call it, and where the next one may go on from."""

    content: Iterator[bytes]
    media_type: str
    suffix: str
    cursor: str


def begin(chosen: Format, labelset: Labelset, options: Options = Options(), *, by: User | None) -> Export:  # noqa: B008
    """The export, asked for by somebody: the audit trail tells of it.

    Raises ValidationError for a cursor that says nothing here, Conflict while too many images are of unknown size.
    """
    cursor = changes.now(labelset)
    horizon = changes.since(options.since, cursor) if options.since else None
    entries = options.entries(labelset)
    if horizon is not None:
        entries = entries.filter(changed__gte=horizon)
    if chosen.in_pixels and not options.leave_out_unsized:
        _read_sizes(entries)
    audit.record(labelset.organization_id, by, "exported labelset", labelset.name, format=chosen.label)
    content = _content(chosen, labelset, entries, options, horizon, str(cursor))
    in_archive = chosen.files is not None or options.images
    return Export(
        content=_archived(chosen, content, options) if in_archive else _written(chosen, content),
        media_type=ZIP if in_archive else chosen.media_type,
        suffix=f"{chosen.suffix}.zip" if in_archive and chosen.write else chosen.suffix,
        cursor=str(cursor),
    )


def _read_sizes(entries: Entries) -> None:
    """Images that nobody has looked at are looked at now, unless they are too many."""
    unsized = Datapoint.objects.filter(entries__in=entries, width=None, error="").select_related("storage")
    missing = list(unsized[: SIZES_AT_ONCE + 1])
    if len(missing) > SIZES_AT_ONCE:
        raise Conflict(
            f"The size of more than {SIZES_AT_ONCE:,} images is not known yet; they are read after an import. "
            "Wait for that, leave these images out, or choose a format without pixels: YOLO or RedBrick JSON."
        )
    preparing.prepare_few(missing)


def _content(
    chosen: Format, labelset: Labelset, entries: Entries, options: Options, horizon: int | None, cursor: str
) -> Content:
    sized = entries.filter(datapoint__width__isnull=False) if chosen.in_pixels else entries
    unsized = entries.filter(datapoint__width=None) if chosen.in_pixels else entries.none()
    return Content(
        info=_info(labelset, cursor),
        classes=classes_of(labelset),
        bare=partial(items, sized, options, with_labels=False),
        labeled=partial(items, sized, options, with_labels=True),
        gone=partial(_gone, labelset, options, horizon),
        left_out=partial(_left_out, unsized, options),
    )


def _info(labelset: Labelset, cursor: str) -> dict[str, Any]:
    return {
        "description": f"{labelset.organization.name}: {labelset.name}",
        "date_created": timezone.now().isoformat(timespec="seconds"),
        "taxonomy": str(labelset.taxonomy),
        "contributor": "Winnow",
        "cursor": cursor,
    }


def classes_of(labelset: Labelset) -> list[Class]:
    return [
        Class(each["id"], each["name"], each["path"][-2] if len(each["path"]) > 1 else ROOT, (ROOT, *each["path"]))
        for each in taxonomies.palette(labelset.taxonomy)
    ]


def items(entries: Entries, options: Options = Options(), *, with_labels: bool) -> Items:  # noqa: B008
    """The entries in the order of their keys, by a server-side cursor."""
    column = Cast("labels", TextField()) if with_labels else Value("[]")
    found = entries.order_by("pk").values_list(*_COLUMNS, column)
    rows: Iterator[tuple[Any, ...]] = found.iterator(chunk_size=ROWS_AT_ONCE)
    for some in _ahead(rows):
        *known, labels = zip(*some, strict=True)
        batch = list(map(Item, *known, map(_labels, labels)))
        if options.split:
            batch = [item for item in batch if options.is_in_split(item.name)]
        if options.only_matching_boxes:
            for item in batch:
                item.labels = [label for label in item.labels if options.keeps(label)]
        yield batch


def _ahead(rows: Iterator[tuple[Any, ...]]) -> Iterator[list[tuple[Any, ...]]]:
    """Rows in small batches, the next thousand fetched while these are written.

    The query begins in this thread, whose connection has the snapshot; fetching goes on with its cursor.
    """
    some = list(islice(rows, ROWS_AT_ONCE))
    with ThreadPoolExecutor(1) as reader:
        while some:
            waiting = reader.submit(lambda: list(islice(rows, ROWS_AT_ONCE)))
            yield from (some[start : start + ITEMS_AT_ONCE] for start in range(0, len(some), ITEMS_AT_ONCE))
            some = waiting.result()


def _gone(labelset: Labelset, options: Options, horizon: int | None) -> Iterator[Gone]:
    if horizon is not None:
        found = changes.gone(labelset, horizon, options.entries(labelset))
        yield from (each for each in found if options.is_in_split(each.name))


def _left_out(entries: Entries, options: Options) -> Iterator[Problem]:
    for name, error in entries.order_by("pk").values_list("datapoint__name", "datapoint__error").iterator():
        if options.is_in_split(name):
            yield Problem(name, error or NO_SIZE)


@contextmanager
def snapshot() -> Iterator[None]:
    """Everything read inside is of one moment."""
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        yield


def _written(chosen: Format, content: Content) -> Iterator[bytes]:
    assert chosen.write is not None  # noqa: S101
    with snapshot():
        yield from chosen.write(content)


def _archived(chosen: Format, content: Content, options: Options) -> Iterator[bytes]:
    with snapshot():
        yield from stream(_files(chosen, content, options), stored=SUFFIXES)


def _files(chosen: Format, content: Content, options: Options) -> Iterator[File]:
    """Labels, images, and what is to be known about both."""
    with Renamed() as renamed:
        content = replace(content, renamed=renamed)
        if chosen.files is not None:
            yield from chosen.files(content)
        elif chosen.write is not None:
            yield f"labels.{chosen.suffix}", chosen.write(_named_as_files(content))
        left_out: list[Problem] = []
        if options.images:
            yield from export_images.files(content.bare(), chosen.image_path, left_out)
        yield ABOUT, _about(content, left_out, renamed)


def _named_as_files(content: Content) -> Content:
    """Each image under the name that its file beside the labels has."""

    def as_files(source: Callable[[], Items], renamed: Renamed | None) -> Items:
        names = Names(renamed)
        for batch in source():
            for item in batch:
                item.split, item.name = split_of(item.name), names.file(item)
            yield batch

    return replace(
        content,
        bare=partial(as_files, content.bare, None),
        labeled=partial(as_files, content.labeled, content.renamed),
    )


def _about(content: Content, left_out: Sequence[Problem], renamed: Iterable[bytes]) -> Iterator[bytes]:
    yield b'{"info":%b' % msgspec.json.encode(content.info)
    gone = ({"file_name": each.name, "dp_id": each.uid} for each in content.gone())
    yield from listed(b',"deleted"', ([each] for each in gone))
    every = ({"file_name": each.name, "reason": each.reason} for each in chain(content.left_out(), left_out))
    yield from listed(b',"left_out"', ([each] for each in every))
    yield from listed(b',"renamed"', ([msgspec.Raw(each)] for each in renamed))
    yield b"}\n"
