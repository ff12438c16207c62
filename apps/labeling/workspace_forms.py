"""What the labeling page sends."""

from __future__ import annotations

import uuid
from typing import Any, TypeVar

from django import forms
from django.http import HttpRequest

from apps.common.texts import is_storable
from apps.labeling.preferences import BY_NAME

PREFERENCES_LIMIT = 20_000
TASKS_LIMIT = 50


class Invalid(Exception):
    """A form that does not hold what it should; HTTP 422, nothing has changed."""

    def __init__(self, form: forms.Form) -> None:
        super().__init__("Invalid form.")
        self.errors = [
            {"field": field, "message": str(message)} for field, messages in form.errors.items() for message in messages
        ]

    @property
    def message(self) -> str:
        return " ".join(error["message"] for error in self.errors)


class Json(forms.JSONField):
    """JSON in which an empty list is a value: nothing here."""

    empty_values = [None, ""]


class Tasks(forms.Field):
    """Any number of task ids under one name."""

    widget = forms.MultipleHiddenInput

    def to_python(self, value: Any) -> list[uuid.UUID]:
        try:
            ids = [uuid.UUID(one) for one in value or []]
        except ValueError as error:
            raise forms.ValidationError("A task id is not a UUID.") from error
        if len(ids) > TASKS_LIMIT:
            raise forms.ValidationError(f"More than {TASKS_LIMIT} tasks at once.")
        return ids


class WorkForm(forms.Form):
    labels = Json()
    seconds = forms.FloatField(min_value=0)
    revision = forms.IntegerField(min_value=0)


class RejectForm(WorkForm):
    comment = forms.CharField(max_length=2000)


class SkipForm(forms.Form):
    reason = forms.CharField(max_length=400, required=False)


class ProblemForm(forms.Form):
    text = forms.CharField(max_length=2000)


class TasksForm(forms.Form):
    tasks = Tasks(required=False)


class CommentForm(forms.Form):
    """A new comment, or the number of one to resolve."""

    text = forms.CharField(max_length=4000, required=False)
    label_id = forms.CharField(max_length=36, required=False)
    resolve = forms.IntegerField(required=False)

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if not cleaned.get("text") and not cleaned.get("resolve"):
            raise forms.ValidationError("A comment needs a text.")
        return cleaned


class PreferencesForm(forms.Form):
    prefs = Json()

    def clean_prefs(self) -> dict[str, Any]:
        prefs = self.cleaned_data["prefs"]
        if not isinstance(prefs, dict) or len(str(prefs)) > PREFERENCES_LIMIT:
            raise forms.ValidationError("Settings must be one object of reasonable size.")
        if not is_storable(prefs):
            raise forms.ValidationError("Settings have characters that cannot be stored.")
        if not all(isinstance(prefs.get(name, {}), dict) for name in BY_NAME):
            raise forms.ValidationError(f"{', '.join(BY_NAME)} must be objects.")
        return prefs


SomeForm = TypeVar("SomeForm", bound=forms.Form)


def read(form_class: type[SomeForm], request: HttpRequest) -> dict[str, Any]:
    """The cleaned data of the form in the request; raises Invalid."""
    form = form_class(request.POST)
    if not form.is_valid():
        raise Invalid(form)
    return form.cleaned_data
