"""Every input of the warehouse's pages."""

from __future__ import annotations

from typing import Any

from django import forms

from apps.accounts.models import Organization
from apps.taxonomies.models import Taxonomy
from apps.warehouse.models import Import


def sentences(form: forms.Form) -> str:
    """Everything that is wrong with a form, where only a text can be shown."""
    return " ".join(str(error) for errors in form.errors.values() for error in errors)


class DatasetForm(forms.Form):
    name = forms.CharField(max_length=80)
    description = forms.CharField(max_length=2000, required=False, widget=forms.Textarea(attrs={"rows": 2}))


class LabelsetForm(DatasetForm):
    taxonomy = forms.ModelChoiceField(
        Taxonomy.objects.none(), help_text="It cannot be changed later; its version freezes."
    )

    def __init__(self, *args: Any, organization: Organization, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["taxonomy"].queryset = organization.taxonomies.order_by("name", "-version")  # type: ignore[attr-defined]


class FileForm(forms.Form):
    """One file of the upload page; `name` is its path within what was dropped."""

    file = forms.FileField(allow_empty_file=True)
    name = forms.CharField(max_length=2000, strip=False)


class DatapointFilter(forms.Form):
    """What the dataset page shows."""

    q = forms.CharField(required=False, max_length=200)
    state = forms.ChoiceField(
        required=False,
        choices=[("", "All"), ("labeled", "Labeled"), ("unlabeled", "Not labeled"), ("failed", "Failed")],
    )
    batch = forms.ModelChoiceField(Import.objects.none(), required=False)
    view = forms.ChoiceField(required=False, choices=[("grid", "Grid"), ("list", "List")])
