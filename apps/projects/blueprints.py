"""Ready-made pipelines, each from the few things it needs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from apps.projects.bricks import LEARNING
from apps.projects.models import Stage
from apps.taxonomies.models import Taxonomy
from apps.warehouse.models import Dataset, Labelset


@dataclass(frozen=True, slots=True)
class Choice:
    """What a blueprint is filled with; None is reported by validation at the stage that lacks it."""

    dataset: Dataset | None = None
    labelset: Labelset | None = None
    taxonomy: Taxonomy | None = None
    source: Labelset | None = None  # the labelset a pipeline begins from
    allow_edit: bool = True
    sample: float = 1.0


@dataclass(frozen=True, slots=True)
class Blueprint:
    """A kind of pipeline as the create page offers it."""

    name: str
    label: str
    text: str
    needs: tuple[str, ...]
    build: Callable[[Choice], list[Stage]]


def autolabel(choice: Choice) -> list[Stage]:
    return _numbered(
        *_learning(choice, after_label="FEEDBACK"), _feedback("FEEDBACK", "ACTIVE_LEARNING"), _output(choice)
    )


def autolabel_with_review(choice: Choice) -> list[Stage]:
    return _numbered(
        *_learning(choice, after_label="REVIEW"),
        _review(choice, passed="FEEDBACK", failed="REJECTED"),
        _feedback("REJECTED", "LABEL"),
        _feedback("FEEDBACK", "ACTIVE_LEARNING"),
        _output(choice),
    )


def manual_labeling(choice: Choice) -> list[Stage]:
    return _numbered(_input(choice, "LABEL"), _label(choice, "OUTPUT"), _output(choice))


def label_and_review(choice: Choice) -> list[Stage]:
    return _numbered(
        _input(choice, "LABEL"),
        _label(choice, "REVIEW"),
        _review(choice, passed="OUTPUT", failed="REJECTED"),
        _feedback("REJECTED", "LABEL"),
        _output(choice),
    )


def review_and_correct(choice: Choice) -> list[Stage]:
    given = Stage(name="INPUT", brick="labelset-input", labelset=choice.source, routing={"next": "REVIEW"})
    correct = Stage(
        name="CORRECT", brick="manual-labeling", taxonomy=choice.taxonomy, config={}, routing={"next": "OUTPUT"}
    )
    return _numbered(given, _review(choice, passed="OUTPUT", failed="CORRECT"), correct, _output(choice))


BLUEPRINTS: Mapping[str, Blueprint] = {
    blueprint.name: blueprint
    for blueprint in (
        Blueprint(
            "autolabel",
            "AutoLabel",
            "People label what the model is unsure of; the rest is labeled by the model.",
            ("dataset", "taxonomy", "labelset"),
            autolabel,
        ),
        Blueprint(
            "autolabel-review",
            "AutoLabel with review",
            "As AutoLabel, and a second person accepts each image before the model learns from it.",
            ("dataset", "taxonomy", "labelset"),
            autolabel_with_review,
        ),
        Blueprint(
            "manual",
            "Manual labeling",
            "Every image is labeled by a person.",
            ("dataset", "taxonomy", "labelset"),
            manual_labeling,
        ),
        Blueprint(
            "label-review",
            "Label and review",
            "Every image is labeled by a person and accepted by another.",
            ("dataset", "taxonomy", "labelset"),
            label_and_review,
        ),
        Blueprint(
            "review-correct",
            "Review and correct",
            "Existing labels are reviewed; what is rejected is corrected.",
            ("source", "taxonomy", "labelset"),
            review_and_correct,
        ),
    )
}


def _learning(choice: Choice, *, after_label: str) -> list[Stage]:
    cast = Stage(name="TYPECAST", brick="type-cast", taxonomy=choice.taxonomy, routing={"next": "ACTIVE_LEARNING"})
    learn = Stage(
        name="ACTIVE_LEARNING", brick=LEARNING, taxonomy=choice.taxonomy, routing={"label": "LABEL", "flush": "OUTPUT"}
    )
    return [_input(choice, "TYPECAST"), cast, learn, _label(choice, after_label)]


def _input(choice: Choice, following: str) -> Stage:
    return Stage(name="INPUT", brick="dataset-input", dataset=choice.dataset, routing={"next": following})


def _label(choice: Choice, following: str) -> Stage:
    return Stage(name="LABEL", brick="manual-labeling", taxonomy=choice.taxonomy, routing={"next": following})


def _review(choice: Choice, *, passed: str, failed: str) -> Stage:
    config: dict[str, Any] = {"allow_edit": choice.allow_edit, "sample": choice.sample}
    return Stage(name="REVIEW", brick="expert-review", config=config, routing={"passed": passed, "failed": failed})


def _feedback(name: str, target: str) -> Stage:
    return Stage(name=name, brick="feedback", routing={"feedback": target})


def _output(choice: Choice) -> Stage:
    return Stage(name="OUTPUT", brick="labelset-output", labelset=choice.labelset)


def _numbered(*stages: Stage) -> list[Stage]:
    for position, stage in enumerate(stages):
        stage.position = position
    return list(stages)
