"""What comes in: text that the database can hold, and the pages' forms asked as the pages ask them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Self

from django import forms
from django.core.exceptions import ValidationError
from ninja import Schema
from pydantic import AfterValidator, ConfigDict, Field, StringConstraints, model_validator

from apps.common.texts import is_storable

Number = Annotated[int, Field(ge=1, le=2**31 - 1)]


def _one_line(text: str) -> str:
    if "\n" in text or "\r" in text:
        raise ValueError("A name is one line.")
    return text


Name = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=80),
    AfterValidator(_one_line),
    Field(json_schema_extra={"pattern": r"^[^\r\n]*$"}),
]


class In(Schema):
    """A body. Unknown keys are refused: a misspelled option must not pass for its default."""

    model_config = ConfigDict(extra="forbid")

    @model_validator(mode="after")
    def _is_storable(self) -> Self:
        if not is_storable([getattr(self, name) for name in type(self).model_fields]):
            raise ValueError("Texts must be valid Unicode without NUL characters.")
        return self


def storable(text: str) -> str:
    """A field of a form, if the database can hold it."""
    if not is_storable(text):
        raise ValidationError("Texts must be valid Unicode without NUL characters.")
    return text


def example(**values: Any) -> ConfigDict:
    """The configuration of a body with an example for the documentation."""
    return ConfigDict(extra="forbid", json_schema_extra={"examples": [values]})


def cleaned(form: forms.Form) -> dict[str, Any]:
    """What the form of a page makes of the input; raises ValidationError with all that is wrong."""
    if not form.is_valid():
        raise ValidationError({field: list(errors) for field, errors in form.errors.items()})
    return dict(form.cleaned_data)


def binary(*media_types: str, status: Sequence[int] = (200,)) -> dict[str, Any]:
    """What the documentation says of answers that are a file."""
    file = {"type": "string", "format": "binary"}
    content = {media: {"schema": {} if media == "application/json" else file} for media in media_types}
    return {"responses": {each: {"content": content} for each in status}}
