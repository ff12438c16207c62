"""A project with images and frozen pre-labels in LABEL, made by the services the pages call."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from django.urls import reverse
from PIL import Image

from apps.accounts.models import Organization, User
from apps.labeling import transitions
from apps.labeling.models import Batch, Task
from apps.projects.blueprints import BLUEPRINTS, Choice
from apps.projects.models import Project, Stage
from apps.projects.services import create_project
from apps.taxonomies import services as taxonomies
from apps.warehouse import services as warehouse


@dataclass(frozen=True, slots=True)
class Picture:
    """An image to label: its size as displayed, its frozen pre-labels, whether it is an audit."""

    name: str
    size: tuple[int, int] = (640, 480)
    prelabels: Sequence[Mapping[str, Any]] = ()
    audit: bool = False
    orientation: int = 1


def predicted(number: int, category: int, bbox: Sequence[float], confidence: float) -> dict[str, Any]:
    return {
        "id": f"p{number}", "category": category, "bbox": list(bbox), "source": "model", "confidence": confidence,
    }  # fmt: skip


def jpeg(size: tuple[int, int], orientation: int = 1) -> io.BytesIO:
    return io.BytesIO(_jpeg(size, orientation))


@cache
def _jpeg(size: tuple[int, int], orientation: int) -> bytes:
    """A gradient with noise; `size` is as displayed, so a sideways one is stored with its sides swapped."""
    width, height = size if orientation < 5 else size[::-1]
    pixels = np.random.default_rng(width + height).integers(0, 60, (height, width, 3), dtype=np.uint8)
    pixels[..., 0] += np.linspace(0, 190, width, dtype=np.uint8)
    pixels[..., 1] += np.linspace(0, 190, height, dtype=np.uint8)[:, None]
    image = Image.fromarray(pixels)
    exif = image.getexif()
    exif[0x0112] = orientation
    file = io.BytesIO()
    image.save(file, "JPEG", quality=60, exif=exif)
    return file.getvalue()


@dataclass(frozen=True, slots=True)
class WorkDesk:
    """The project, its LABEL stage, and the address of its labeling page."""

    project: Project
    stage: Stage

    @property
    def where(self) -> list[str]:
        return [self.project.organization.slug, str(self.project.uid), self.stage.name]

    @property
    def path(self) -> str:
        return reverse("labeling:workspace", args=self.where)

    def url(self, verb: str, task: Task | None = None) -> str:
        return reverse(f"labeling:workspace-{verb}", args=[*self.where, *([task.uid] if task else [])])

    def task(self, name: str) -> Task:
        return Task.objects.select_related("stage", "annotation").get(project=self.project, datapoint__name=name)


CLASSES = ("car", "person", "bicycle")


def make_desk(
    organization: Organization,
    pictures: Sequence[Picture],
    *,
    classes: Sequence[str] = CLASSES,
    blueprint: str = "autolabel",
    by: User | None = None,
    **settings: Any,
) -> WorkDesk:
    taxonomy = taxonomies.create(organization=organization, name="Traffic", tree=list(classes))
    dataset = warehouse.create_dataset(organization=organization, name="Street")
    for picture in pictures:
        file = jpeg(picture.size, picture.orientation)
        warehouse.add_upload(dataset=dataset, file=file, name=picture.name, announce=False)
    labelset = warehouse.create_labelset(organization=organization, name="Final", taxonomy=taxonomy)
    stages = BLUEPRINTS[blueprint].build(Choice(dataset=dataset, labelset=labelset, taxonomy=taxonomy))
    project, _ = create_project(organization=organization, name="Streets", stages=stages, by=by)
    Project.objects.filter(pk=project.pk).update(status=Project.Status.READY, **settings)
    project.refresh_from_db()
    stage = {stage.name: stage for stage in project.stages.all()}
    transitions.create_tasks(stage=stage["INPUT"])
    if "ACTIVE_LEARNING" in stage:
        _send(stage["ACTIVE_LEARNING"], pictures)
    return WorkDesk(project, stage["LABEL"])


def _send(stage: Stage, pictures: Sequence[Picture]) -> None:
    ids = dict(Task.objects.filter(project=stage.project_id).values_list("datapoint__name", "pk"))
    rows = [(ids[picture.name], json.dumps(list(picture.prelabels))) for picture in pictures if picture.prelabels]
    values = ", ".join(["(%s::bigint, %s::jsonb, 0.5::float, 1)"] * len(rows))
    frozen = transitions.Source(
        f"SELECT * FROM (VALUES {values}) AS v(task_id, labels, confidence, cycle)",  # noqa: S608
        [part for row in rows for part in row],
    )
    transitions.send(
        stage=stage,
        batch=Batch.objects.create(stage=stage, number=1, size=len(pictures)),
        task_ids=[ids[picture.name] for picture in pictures],
        audits=[ids[picture.name] for picture in pictures if picture.audit],
        by=None,
        prelabels=frozen if rows else None,
    )
