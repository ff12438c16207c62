"""Pictures and rows that the tests of the warehouse are made of."""

from __future__ import annotations

import io
import uuid
from typing import Any

from PIL import Image

from apps.accounts.models import Organization
from apps.taxonomies import services as taxonomies
from apps.taxonomies.models import Taxonomy
from apps.warehouse import services
from apps.warehouse.models import Datapoint, Dataset, Labelset
from apps.warehouse.storages import winnow_storage

ORIENTATION = 0x0112


def make_picture(width: int = 64, height: int = 48, format: str = "JPEG", orientation: int = 1, **save: Any) -> bytes:
    """A picture whose left half is red and whose right half is blue."""
    image = Image.new("RGB", (width, height), (200, 30, 30))
    image.paste((30, 30, 200), (width // 2, 0, width, height))
    if orientation != 1:
        exif = Image.Exif()
        exif[ORIENTATION] = orientation
        save["exif"] = exif
    out = io.BytesIO()
    image.save(out, format, **save)
    return out.getvalue()


def make_dataset(organization: Organization, name: str = "Cells") -> Dataset:
    return services.create_dataset(organization=organization, name=name)


def make_taxonomy(organization: Organization, *names: str) -> Taxonomy:
    return taxonomies.create(
        organization=organization, name=f"T{uuid.uuid4().hex[:6]}", tree=names or ("car", "person")
    )


def make_labelset(organization: Organization, taxonomy: Taxonomy | None = None, name: str = "Final") -> Labelset:
    taxonomy = taxonomy or make_taxonomy(organization)
    return services.create_labelset(organization=organization, name=name, taxonomy=taxonomy)


def make_datapoint(dataset: Dataset, name: str = "a.jpg", **picture: Any) -> Datapoint:
    """A datapoint with a real file behind it."""
    return services.add_upload(dataset=dataset, file=io.BytesIO(make_picture(**picture)), name=name)


def make_rows(dataset: Dataset, count: int, prefix: str = "row") -> list[Datapoint]:
    """Datapoints without files, for lists."""
    storage = winnow_storage(dataset.organization)
    rows = [
        Datapoint(
            dataset=dataset, storage=storage, name=f"{prefix}-{n:05}.jpg", path=f"x/{n}.jpg", width=100, height=80
        )
        for n in range(count)
    ]
    return Datapoint.objects.bulk_create(rows)


def make_label(category: int = 0, bbox: list[float] | None = None, **more: Any) -> dict[str, Any]:
    return {
        "id": str(uuid.uuid4()),
        "category": category,
        "bbox": bbox or [0.25, 0.25, 0.5, 0.5],
        "source": "human",
        **more,
    }
