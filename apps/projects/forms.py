"""Every input of the projects' pages."""

from __future__ import annotations

import json
from typing import Any

from django import forms

from apps.accounts.models import Organization
from apps.projects.blueprints import BLUEPRINTS
from apps.projects.bricks import Brick, Option
from apps.projects.models import Project
from apps.projects.services import Wish
from apps.taxonomies.models import Taxonomy
from apps.taxonomies.trees import TreeErrors, check, from_names
from apps.warehouse.models import Dataset, Labelset


class Named(forms.Form):
    name = forms.CharField(max_length=80, widget=forms.TextInput(attrs={"autofocus": True}))
    description = forms.CharField(required=False, max_length=2000, widget=forms.Textarea(attrs={"rows": 2}))


class WishForm(forms.Form):
    """What a blueprint is filled with: chosen from what is there, or named to be made."""

    blueprint = forms.ChoiceField(choices=[(each.name, each.label) for each in BLUEPRINTS.values()])
    dataset = forms.ModelChoiceField(Dataset.objects.none(), required=False, empty_label="Choose a dataset")
    new_dataset = forms.CharField(required=False, max_length=80, label="Name of the new dataset")
    taxonomy = forms.ModelChoiceField(Taxonomy.objects.none(), required=False, empty_label="Choose a taxonomy")
    new_taxonomy = forms.CharField(required=False, max_length=80, label="Name of the new taxonomy")
    new_classes = forms.CharField(
        required=False, label="Its classes, one a line", widget=forms.Textarea(attrs={"rows": 3})
    )
    labelset = forms.ModelChoiceField(Labelset.objects.none(), required=False, empty_label="Choose a labelset")
    new_labelset = forms.CharField(required=False, max_length=80, label="Name of the new labelset")
    source = forms.ModelChoiceField(
        Labelset.objects.none(), required=False, label="Labelset to review", empty_label="Choose a labelset"
    )
    allow_edit = forms.BooleanField(required=False, initial=True, label="Reviewers may edit labels")
    sample = forms.FloatField(
        required=False, min_value=0, max_value=1, initial=1, label="Share that is reviewed", help_text="1 is all."
    )

    def __init__(self, *args: Any, organization: Organization, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.organization = organization
        labelsets = organization.labelsets.select_related("taxonomy").order_by("name")
        self._offer("dataset", organization.datasets.order_by("name"))
        self._offer("taxonomy", organization.taxonomies.order_by("name", "-version"))
        self._offer("labelset", labelsets.exclude(stages__brick="labelset-output"))
        self._offer("source", labelsets)

    def _offer(self, name: str, rows: Any) -> None:
        self.fields[name].queryset = rows  # type: ignore[attr-defined]

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        for kind, rows in self._kinds():
            new = data.get(f"new_{kind}")
            if new and rows.filter(name=new).exists():
                self.add_error(f"new_{kind}", f"A {kind} of this name is there already.")
        if data.get("new_taxonomy"):
            try:
                check(from_names(self._classes(data)))
            except TreeErrors as errors:
                self.add_error("new_classes", [str(error) for error in errors.errors])
        return data

    def _kinds(self) -> list[tuple[str, Any]]:
        ours = self.organization
        return [("dataset", ours.datasets), ("taxonomy", ours.taxonomies), ("labelset", ours.labelsets)]

    @staticmethod
    def _classes(data: dict[str, Any]) -> list[str]:
        return [line.strip() for line in data.get("new_classes", "").splitlines() if line.strip()]

    def wish(self) -> Wish:
        """As far as the input can be read, so that the drawing follows while it is typed."""
        data = self.cleaned_data
        return Wish(
            dataset=data.get("dataset"),
            new_dataset=data.get("new_dataset") or "",
            taxonomy=data.get("taxonomy"),
            new_taxonomy=data.get("new_taxonomy") or "",
            new_classes=self._classes(data),
            labelset=data.get("labelset"),
            new_labelset=data.get("new_labelset") or "",
            source=data.get("source"),
            allow_edit=bool(data.get("allow_edit")),
            sample=1.0 if data.get("sample") is None else data["sample"],
        )


class PipelineForm(forms.Form):
    """A pipeline in its JSON form."""

    pipeline = forms.CharField(
        label="Pipeline",
        widget=forms.Textarea(attrs={"rows": 24, "spellcheck": "false", "class": "code"}),
        max_length=200_000,
    )

    def clean_pipeline(self) -> Any:
        text = self.cleaned_data["pipeline"]
        try:
            return json.loads(text)
        except ValueError as error:
            raise forms.ValidationError(f"This is not JSON: {error}.") from error


class ProjectForm(Named):
    """The settings of a project."""

    instructions = forms.CharField(
        required=False, max_length=20_000, widget=forms.Textarea(attrs={"rows": 6}), help_text="Shown to labelers."
    )
    undecided = forms.ChoiceField(
        choices=Project.Undecided.choices,
        label="Pre-labels left undecided at submit",
        help_text="A pre-label that was neither accepted nor deleted.",
    )
    slider_default = forms.FloatField(
        min_value=0, max_value=1, label="Hide pre-labels below", help_text="Confidence; labelers can change it."
    )


class ConfirmForm(forms.Form):
    """Type the name to destroy."""

    confirmation = forms.CharField()

    def __init__(self, *args: Any, name: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.name = name

    def clean_confirmation(self) -> str:
        typed = str(self.cleaned_data["confirmation"])
        if typed != self.name:
            raise forms.ValidationError("This is not its name.")
        return typed


class StageForm(forms.Form):
    """The settings of a stage, as its brick declares them."""

    def __init__(self, *args: Any, brick: Brick, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for key, option in brick.settings.items():
            self.fields[key] = field_of(option)


def field_of(option: Option) -> forms.Field:
    texts: dict[str, Any] = {"label": option.label, "help_text": option.help}
    if isinstance(option.default, bool):
        return forms.BooleanField(required=False, **texts)
    if option.choices:
        choices = [(each, each.replace("-", " ").capitalize() or "By device") for each in option.choices]
        return forms.ChoiceField(choices=choices, required="" not in option.choices, **texts)
    if isinstance(option.default, int):
        return forms.IntegerField(min_value=_whole(option.low), max_value=_whole(option.high), **texts)
    return forms.FloatField(min_value=option.low, max_value=option.high, **texts)


def _whole(limit: float | None) -> int | None:
    return None if limit is None else int(limit)
