"""From the training set to a calibrated detector: what the job of a cycle does before it predicts."""

from __future__ import annotations

import logging
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from django.conf import settings
from django.db.models import QuerySet
from django.utils import timezone

from apps.autolabel import files, quality
from apps.autolabel.models import Cycle, Learner, Unreadable
from apps.autolabel.state import standing
from apps.autolabel.worst import Judged, worst_of
from apps.common.runs import Failure, Handle, Stopped
from apps.detector import calibrate
from apps.detector.boxes import agreement
from apps.detector.evaluate import average_precision
from apps.detector.predict import Detector
from apps.detector.types import ImageSource, NothingToLearn, Predicted, Raw, Sample, Trained, Truth, UnreadableImage
from apps.labeling.models import Task
from apps.projects.models import Stage
from apps.taxonomies.models import Category
from apps.warehouse.s3 import StorageError
from apps.warehouse.storages import image_source

TRAINING, CALIBRATING, PREDICTING, RANKING = "Training", "Calibrating", "Predicting", "Ranking"
LONGEST_REASON = 300

# It reports every step of every evaluation.
logging.getLogger("faster_coco_eval").setLevel(logging.WARNING)


def class_ids(stage: Stage) -> list[int]:
    return list(
        Category.objects.filter(taxonomy=stage.taxonomy_id).order_by("class_id").values_list("class_id", flat=True)
    )


def source_of(task: Task) -> ImageSource:
    """The image of a task that was read with `select_related("datapoint__storage")`.

    One that its storage does not hand over is one more that cannot be read: it is named, and the others go on.
    """
    source = image_source(task.datapoint)
    return partial(_read, source) if callable(source) else source


def _read(source: Callable[[], bytes]) -> bytes:
    try:
        return source()
    except StorageError as error:
        raise UnreadableImage(str(error)) from error


def truth_of(labels: Sequence[dict[str, Any]], known: set[int]) -> Truth:
    """The boxes of the classes that the taxonomy has."""
    there = [label for label in labels if label["category"] in known]
    boxes = np.array([label["bbox"] for label in there], dtype=np.float64).reshape(-1, 4)
    return Truth(boxes, np.array([label["category"] for label in there], dtype=np.int64))


def train(handle: Handle, cycle: Cycle) -> None:
    """Train on what people labeled, never on what is held out, and keep the model where every worker finds it."""
    handle.progress(0, 0, TRAINING)
    from apps.detector.train import train as train_detector

    stage = cycle.stage
    _note_start(cycle)
    known = class_ids(stage)
    samples = [_sample(task, set(known)) for task in labeled_tasks(stage, held_out=False)]
    name = f"{stage.project_id}/{stage.pk}/cycle-{cycle.number}-{handle.attempt}"
    with _workplace(stage) as folder:
        try:
            trained = train_detector(
                samples,
                class_ids=known,
                out=folder,
                preset=cycle.preset or settings.DETECTOR_PRESET or None,
                seed=cycle.number,
                progress=lambda done, total, message: handle.progress(done, total, message.partition(",")[0]),
            )
        except NothingToLearn as error:
            raise Failure(str(error)) from error
        files.keep(trained.onnx, f"{name}.onnx")
        files.keep(trained.checkpoint, f"{name}.pt")
    try:
        _record_training(handle, cycle, trained, name)
    except Stopped:
        files.drop(f"{name}.onnx")
        files.drop(f"{name}.pt")
        raise


@contextmanager
def _workplace(stage: Stage) -> Iterator[Path]:
    """A folder to train in. Only one cycle runs in a stage: what an earlier one left when it was killed goes."""
    settings.MODELS_ROOT.mkdir(parents=True, exist_ok=True)
    prefix = f".training-{stage.pk}-"
    for left in settings.MODELS_ROOT.glob(f"{prefix}*"):
        shutil.rmtree(left, ignore_errors=True)
    with tempfile.TemporaryDirectory(dir=settings.MODELS_ROOT, prefix=prefix, ignore_cleanup_errors=True) as folder:
        yield Path(folder)


def _record_training(handle: Handle, cycle: Cycle, trained: Trained, name: str) -> None:
    with handle.guard():
        note_unreadable(cycle, trained.skipped)
        cycle.model_path, cycle.checkpoint_path, cycle.preset = f"{name}.onnx", f"{name}.pt", trained.preset
        cycle.train_images, cycle.train_seconds = trained.images, trained.seconds
        cycle.metrics = cycle.metrics | {"steps": trained.steps}
        cycle.save(
            update_fields=["model_path", "checkpoint_path", "preset", "train_images", "train_seconds", "metrics"]
            + ["last_annotation", "labeled", "total"]
        )


def calibrate_cycle(handle: Handle, cycle: Cycle) -> None:
    """Fit the confidence to the held-out images, as the shipped model sees them, and measure the agreement there."""
    known = class_ids(cycle.stage)
    tasks = labeled_tasks(cycle.stage, held_out=True)
    handle.progress(0, len(tasks), CALIBRATING)
    raws, unreadable = _candidates(handle, cycle, tasks)
    readable = [task for task in tasks if task.pk in raws]
    seen = [raws[task.pk] for task in readable]
    truths = [truth_of(labels_of(task), set(known)) for task in readable]
    calibration = calibrate.fit(seen, truths)
    predicted = calibrate.cross_fitted(seen, truths) if seen else []
    scored = _scored(predicted, truths)
    # A check drawn from confident images alone says nothing of the whole.
    drawn = [n for n, task in enumerate(readable) if not is_partial(task)]
    whole = [scored[n] for n in drawn]
    measured = quality.measure([pair.agreement for pair in whole])
    precision = average_precision([seen[n] for n in drawn], [truths[n] for n in drawn], known)
    with handle.guard():
        note_unreadable(cycle, unreadable)
        cycle.calibration = calibration.to_json()
        cycle.held_out_images, cycle.agreement_n = len(readable), measured.n
        cycle.agreement, cycle.agreement_low, cycle.agreement_high = measured.mean, measured.low, measured.high
        cycle.scored = [[pair.confidence, pair.agreement] for pair in whole]
        cycle.metrics = cycle.metrics | {
            "ap": precision["ap"],
            "ap50": precision["ap50"],
            "per_class": {str(class_id): value for class_id, value in precision["per_class"].items()},
            "calibrated": calibration.calibrated,
            "calibration_missing": calibration.missing,
            "calibration_error": _calibration_error(whole),
            "worst": worst_of(
                Judged(each.key, pair.agreement, pair.confidence, label_json_of(each, cycle.number))
                for each, pair in zip(predicted, scored, strict=True)
            ),
        }
        cycle.save(
            update_fields=["calibration", "held_out_images", "agreement", "agreement_low", "agreement_high"]
            + ["agreement_n", "scored", "metrics"]
        )


def make_current(cycle: Cycle) -> None:
    """One update of one row: the cycle's predictions and order are the stage's from now on."""
    Learner.objects.filter(stage=cycle.stage_id).update(current=cycle)
    Cycle.objects.filter(pk=cycle.pk).update(ended_at=timezone.now())


def labeled_tasks(stage: Stage, *, held_out: bool) -> list[Task]:
    found = _labeled(stage).filter(is_held_out=held_out).order_by("shuffle", "pk")
    return list(found.select_related("annotation", "datapoint__storage", "batch__flush_check"))


def held_out(stage: Stage) -> QuerySet[Task]:
    """What is labeled and never trained on."""
    return _labeled(stage).filter(is_held_out=True)


def _labeled(stage: Stage) -> QuerySet[Task]:
    return Task.objects.filter(project=stage.project_id, in_training_set=True, annotation__isnull=False)


def note_unreadable(cycle: Cycle, reasons: dict[int, str]) -> None:
    """Keep the name and reason of each image that could not be read."""
    rows = [Unreadable(cycle=cycle, task_id=key, reason=reason[:LONGEST_REASON]) for key, reason in reasons.items()]
    Unreadable.objects.bulk_create(rows, batch_size=1000, ignore_conflicts=True)


def labels_of(task: Task) -> list[dict[str, Any]]:
    assert task.annotation is not None  # noqa: S101
    labels: list[dict[str, Any]] = task.annotation.labels
    return labels


def _sample(task: Task, known: set[int]) -> Sample:
    truth = truth_of(labels_of(task), known)
    return Sample(task.pk, source_of(task), truth.boxes, truth.classes)


def _note_start(cycle: Cycle) -> None:
    """What is labeled when the cycle begins; written with its model."""
    found = standing(cycle.stage)
    cycle.labeled, cycle.last_annotation, cycle.total = found.labeled, found.newest, found.total


def _candidates(handle: Handle, cycle: Cycle, tasks: Sequence[Task]) -> tuple[dict[int, Raw], dict[int, str]]:
    detector = Detector(files.path_of(cycle.model_path))
    unreadable: dict[int, str] = {}
    raws: dict[int, Raw] = {}
    items = ((task.pk, source_of(task)) for task in tasks)
    for raw in detector.predict(items, on_error=lambda key, error: unreadable.update({key: str(error)})):
        raws[raw.key] = raw
        handle.progress(len(raws), len(tasks), CALIBRATING)
    return raws, unreadable


def _scored(predicted: Sequence[Predicted], truths: Sequence[Truth]) -> list[quality.Scored]:
    """Confidence and agreement of the held-out images, each judged by a calibration that has not seen it."""
    return [
        quality.Scored(
            each.confidence, agreement(each.boxes, each.classes, each.confidences, truth.boxes, truth.classes)
        )
        for each, truth in zip(predicted, truths, strict=True)
    ]


def is_partial(task: Task) -> bool:
    """Whether it was drawn for a check of a flush that would not have sent every image."""
    check = getattr(task.batch, "flush_check", None)
    return check is not None and check.threshold > 0


def _calibration_error(scored: Sequence[quality.Scored]) -> float | None:
    if len(scored) < quality.MINIMUM_IMAGES:
        return None
    confidence = np.array([pair.confidence for pair in scored])
    return calibrate.calibration_error(confidence, np.array([pair.agreement for pair in scored]))


def label_json_of(predicted: Predicted, number: int) -> list[dict[str, Any]]:
    """The label JSON of a prediction; the ids differ from cycle to cycle and within an image."""
    boxes, confidences = np.round(predicted.boxes, 6).tolist(), np.round(predicted.confidences, 4).tolist()
    return [
        {
            "id": f"c{number}-{index}",
            "category": class_id,
            "bbox": box,
            "source": "model",
            "confidence": confidence,
        }
        for index, (box, class_id, confidence) in enumerate(
            zip(boxes, predicted.classes.tolist(), confidences, strict=True)
        )
        if min(box[2], box[3]) > 0
    ]
