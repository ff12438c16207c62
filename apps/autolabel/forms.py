"""What people type in an active-learning stage; every form carries a key that works once."""

from __future__ import annotations

import uuid
from typing import Any

from django import forms

MOST_AT_ONCE = 100_000


class OnceForm(forms.Form):
    """A form whose second submit does nothing more."""

    key = forms.UUIDField(widget=forms.HiddenInput)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs["initial"] = {"key": uuid.uuid4()} | kwargs.get("initial", {})
        super().__init__(*args, **kwargs)


class UuidsField(forms.Field):
    """Keys of what is marked on a page."""

    widget = forms.MultipleHiddenInput
    default_error_messages = {"required": "Mark the images first.", "invalid": "Mark the images on the page."}

    def to_python(self, value: Any) -> list[uuid.UUID]:
        try:
            return [uuid.UUID(each) for each in (value or [])[:MOST_AT_ONCE]]
        except ValueError:
            raise forms.ValidationError(self.error_messages["invalid"], code="invalid") from None


class MarkedForm(OnceForm):
    tasks = UuidsField()


class SendForm(OnceForm):
    size = forms.IntegerField(min_value=1, max_value=MOST_AT_ONCE, label="Images")


class TriggerForm(OnceForm):
    again = forms.BooleanField(required=False, widget=forms.HiddenInput)


class ThresholdForm(forms.Form):
    """A confidence in percent, as the slider gives it."""

    threshold = forms.FloatField(min_value=0, max_value=100, label="Lowest confidence, in percent")

    def clean_threshold(self) -> float:
        return float(self.cleaned_data["threshold"]) / 100


class FlushForm(ThresholdForm, OnceForm):
    pass


class CheckForm(ThresholdForm, OnceForm):
    size = forms.IntegerField(min_value=1, max_value=10_000, label="Images to label blind")


class PageForm(forms.Form):
    """Where a page of the queue begins: the cursor, and how many come before it."""

    after = forms.CharField(required=False, max_length=200)
    shown = forms.IntegerField(required=False, min_value=0)
