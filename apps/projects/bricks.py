"""The kinds of stages, in one literal dict."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

LEARNING = "brightics-aia-autolabel"
ITEMS = "image_items"
BOXES = "image_bbox"
STRATEGIES = ("least-confident", "diverse", "random")
PRESETS = ("", "tiny", "cpu", "gpu")
OWN, EXTERNAL = "winnow", "external"


@dataclass(frozen=True, slots=True)
class Option:
    """One key of a stage's config: its default, what it says on the page and what values it takes."""

    default: Any
    label: str
    low: float | None = None
    high: float | None = None
    choices: tuple[str, ...] = ()
    help: str = ""

    def problem(self, value: object) -> str:
        """Why `value` is not one of this option's; empty when it is."""
        if isinstance(self.default, bool):
            return "" if isinstance(value, bool) else "must be true or false"
        if self.choices:
            return "" if value in self.choices else f"must be one of {', '.join(repr(each) for each in self.choices)}"
        whole = isinstance(self.default, int)
        if isinstance(value, bool) or not isinstance(value, int if whole else (int, float)):
            return f"must be a {'whole ' if whole else ''}number"
        if (self.low is not None and value < self.low) or (self.high is not None and value > self.high):
            return f"must be from {self.low:g} to {self.high:g}"
        return ""


LEASE = Option(
    0, "Lease in minutes", 0, 1440, help="How long an opened task is kept for its labeler. 0 leaves that to the server."
)


@dataclass(frozen=True, slots=True)
class Brick:
    """A kind of stage: its ports, the types at them, whether tasks rest there and who works on them."""

    name: str
    label: str
    group: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    accepts: tuple[str, ...] = ()  # types of the edges into it
    holds_tasks: bool = False
    is_end: bool = False
    learns: bool = False  # labeled work that arrives rests here and joins the training set
    worked_by: str = ""  # "people", "programs" or nobody
    needs: tuple[str, ...] = ()  # foreign keys of the stage that must be set
    settings: Mapping[str, Option] = field(default_factory=dict)
    output_type: str | None = None  # None: what comes in goes out

    @property
    def options(self) -> dict[str, Any]:
        """Config keys and their defaults."""
        return {key: option.default for key, option in self.settings.items()}


BRICKS: dict[str, Brick] = {
    brick.name: brick
    for brick in (
        Brick("dataset-input", "Dataset", "Input", (), ("next",), needs=("dataset",), output_type=ITEMS),
        Brick("labelset-input", "Labelset", "Input", (), ("next",), needs=("labelset",), output_type=BOXES),
        Brick(
            "type-cast",
            "Type cast",
            "Flow",
            ("in",),
            ("next",),
            accepts=(ITEMS,),
            needs=("taxonomy",),
            output_type=BOXES,
        ),
        Brick(
            LEARNING,
            "Active learning",
            "Labeling",
            ("in", "feedback"),
            ("label", "flush"),
            accepts=(BOXES,),
            holds_tasks=True,
            learns=True,
            needs=("taxonomy",),
            settings={
                "batch_size": Option(100, "Batch size", 1, 100_000),
                "strategy": Option(
                    "least-confident", "Strategy", choices=STRATEGIES, help="Which images of the queue go first."
                ),
                "audit_share": Option(
                    0.1,
                    "Audit share of a batch",
                    0,
                    0.5,
                    help="Drawn at random, labeled blind and held out for measuring. 0.1 is 10 % of a batch.",
                ),
                "learner": Option(
                    OWN, "Learner", choices=(OWN, EXTERNAL), help="External is a program of yours, by the API."
                ),
                "preset": Option(
                    "", "Preset", choices=PRESETS, help="The size of Winnow's detector; a larger one takes longer."
                ),
                "automatic": Option(False, "Automatic mode", help="Winnow trains and sends batches by itself."),
                "train_after": Option(
                    100, "Train after new labels", 1, 1_000_000, help="Of automatic mode: how many make a cycle."
                ),
                "keep_stocked": Option(
                    50, "Keep tasks ready to label", 1, 100_000, help="Of automatic mode: below it a batch is sent."
                ),
            },
            output_type=BOXES,
        ),
        Brick(
            "manual-labeling",
            "Manual labeling",
            "Labeling",
            ("in", "feedback"),
            ("next",),
            accepts=(ITEMS, BOXES),
            holds_tasks=True,
            worked_by="people",
            needs=("taxonomy",),
            settings={"lease_minutes": LEASE},
            output_type=BOXES,
        ),
        Brick(
            "remote-labeling",
            "Remote labeling",
            "Labeling",
            ("in",),
            ("next",),
            accepts=(ITEMS, BOXES),
            holds_tasks=True,
            worked_by="programs",
            needs=("taxonomy",),
            output_type=BOXES,
        ),
        Brick(
            "expert-review",
            "Expert review",
            "Quality",
            ("in",),
            ("passed", "failed"),
            accepts=(BOXES,),
            holds_tasks=True,
            worked_by="people",
            settings={
                "allow_edit": Option(True, "Reviewers may edit"),
                "sample": Option(1.0, "Share that is reviewed", 0, 1, help="1 is all."),
                "lease_minutes": LEASE,
            },
        ),
        Brick("feedback", "Feedback", "Flow", ("in",), ("feedback",), accepts=(BOXES,)),
        Brick("task-random-filter", "Random filter", "Flow", ("in",), ("targets",), accepts=(ITEMS, BOXES)),
        Brick(
            "labelset-output",
            "Labelset output",
            "Output",
            ("in",),
            (),
            accepts=(BOXES,),
            holds_tasks=True,
            is_end=True,
            needs=("labelset",),
        ),
    )
}

ALIASES = {"manual-label": "manual-labeling", "simple-review": "expert-review", "active-learning": LEARNING}


def brick_choices() -> list[tuple[str, str]]:
    return [(brick.name, brick.label) for brick in BRICKS.values()]
