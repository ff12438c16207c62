"""Every input of the stage, task and insight pages."""

from __future__ import annotations

from typing import Any

from django import forms

from apps.accounts.models import Organization, User
from apps.labeling.models import TaskState
from apps.projects.bricks import BRICKS
from apps.projects.models import Project, Stage
from apps.taxonomies.models import Category

ACTIONS = (
    ("release", "Release"),
    ("assign", "Assign to"),
    ("priority", "Set priority to"),
    ("move", "Send to stage"),
)


def members_of(organization: Organization) -> Any:
    return User.objects.filter(memberships__organization=organization).order_by("name", "email")


class MemberForm(forms.Form):
    """Whose work is released, or who gets it."""

    member = forms.ModelChoiceField(User.objects.none(), empty_label="Choose a member")

    def __init__(self, *args: Any, organization: Organization, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["member"].queryset = members_of(organization)  # type: ignore[attr-defined]


class AnswerForm(forms.Form):
    """What a manager answers to a problem."""

    text = forms.CharField(required=False, max_length=4000)
    to_reporter = forms.BooleanField(required=False)


class TaskFilter(forms.Form):
    """What the task list shows."""

    q = forms.CharField(required=False, max_length=200, label="Name")
    stage = forms.ModelChoiceField(
        Stage.objects.none(), required=False, empty_label="Every stage", to_field_name="name"
    )
    state = forms.ChoiceField(required=False, choices=[("", "Every state"), *TaskState.choices])
    assignee = forms.ModelChoiceField(User.objects.none(), required=False, empty_label="Anybody")
    category = forms.TypedChoiceField(required=False, coerce=int, empty_value=None, label="Class")
    low = forms.FloatField(required=False, min_value=0, max_value=1, label="Confidence from")
    high = forms.FloatField(required=False, min_value=0, max_value=1, label="to")

    def __init__(self, *args: Any, project: Project, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        stages = holding_stages(project)
        self.fields["stage"].queryset = stages  # type: ignore[attr-defined]
        self.fields["assignee"].queryset = members_of(project.organization)  # type: ignore[attr-defined]
        taxonomies = {stage.taxonomy_id for stage in stages if stage.taxonomy_id}
        classes = Category.objects.filter(taxonomy__in=taxonomies).order_by("class_id").values_list("class_id", "name")
        choices = [("", "Every class"), *dict(classes).items()]
        self.fields["category"].choices = choices  # type: ignore[attr-defined]


class BulkForm(forms.Form):
    """What to do with the tasks that are marked."""

    action = forms.ChoiceField(choices=ACTIONS)
    member = forms.ModelChoiceField(User.objects.none(), required=False, empty_label="Member")
    priority = forms.FloatField(required=False, min_value=0, max_value=1_000_000)
    stage = forms.ModelChoiceField(Stage.objects.none(), required=False, empty_label="Stage", to_field_name="name")

    def __init__(self, *args: Any, project: Project, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["member"].queryset = members_of(project.organization)  # type: ignore[attr-defined]
        self.fields["stage"].queryset = holding_stages(project).exclude(brick="labelset-output")  # type: ignore[attr-defined]

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        needs = {"assign": "member", "priority": "priority", "move": "stage"}
        need = needs.get(data.get("action", ""))
        if need and data.get(need) is None:
            self.add_error(need, f"Choose a {need}." if need != "priority" else "Give a priority.")
        return data


def holding_stages(project: Project) -> Any:
    holding = [brick.name for brick in BRICKS.values() if brick.holds_tasks]
    return Stage.objects.filter(project=project, brick__in=holding)


class InsightFilter(forms.Form):
    """Which work the insights count."""

    stage = forms.ModelChoiceField(Stage.objects.none(), required=False, empty_label="All stages", to_field_name="name")
    days = forms.TypedChoiceField(
        required=False,
        coerce=int,
        empty_value="",
        choices=[(7, "Last 7 days"), (30, "Last 30 days"), (90, "Last 90 days"), (36500, "Always")],
        label="Period",
    )

    def __init__(self, *args: Any, project: Project, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        people = [brick.name for brick in BRICKS.values() if brick.worked_by]
        self.fields["stage"].queryset = Stage.objects.filter(project=project, brick__in=people)  # type: ignore[attr-defined]
