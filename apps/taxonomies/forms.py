"""Every input of the taxonomies' pages."""

from __future__ import annotations

import json

from django import forms

from apps.taxonomies import trees
from apps.taxonomies.trees import Node, TreeErrors

_EXAMPLE = "vehicle\n  car\n  truck\nperson"


class TreeField(forms.CharField):
    """Categories as indented lines or as JSON; cleans to nodes."""

    widget = forms.Textarea(attrs={"rows": 14, "spellcheck": "false", "class": "code", "placeholder": _EXAMPLE})

    def clean(self, value: object) -> list[Node]:
        text = super().clean(value)
        try:
            return trees.from_json(json.loads(text)) if text.lstrip()[:1] in {"[", "{"} else trees.from_lines(text)
        except json.JSONDecodeError as error:
            raise forms.ValidationError(f"The JSON breaks off at line {error.lineno}: {error.msg}.") from error
        except RecursionError as error:
            raise forms.ValidationError("The JSON is nested too deeply.") from error
        except TreeErrors as error:
            raise forms.ValidationError(error.errors) from error


class TreeForm(forms.Form):
    description = forms.CharField(max_length=2000, required=False, widget=forms.Textarea(attrs={"rows": 2}))
    categories = TreeField(
        max_length=500_000,
        strip=False,
        help_text=(
            "One category a line; indent by two spaces to put it under the line above, at most three levels. "
            "A number in brackets is the class id: keep it when you rename, leave it away for a new category. "
            "JSON with names, classId, color, description, attributes and children is understood too."
        ),
    )


class TaxonomyForm(TreeForm):
    name = forms.CharField(max_length=80)
    field_order = ["name", "description", "categories"]


class PreviewForm(forms.Form):
    categories = TreeField(max_length=500_000, strip=False)
