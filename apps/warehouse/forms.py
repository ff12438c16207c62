"""Every input of the warehouse's pages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django import forms
from django.conf import settings

from apps.accounts.models import Organization
from apps.taxonomies.models import Taxonomy
from apps.warehouse.models import Import, Labelset, LabelsetEntry, StorageMethod


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


class StorageForm(forms.Form):
    """A new S3 or public storage method."""

    provider = forms.ChoiceField(choices=[("AWS_S3", "S3"), ("PUBLIC", "Public URLs")], widget=forms.HiddenInput)
    name = forms.CharField(max_length=80)

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        if bool(data.get("access_key")) != bool(data.get("secret_key")):
            self.add_error("secret_key", "Access key and secret key belong together.")
        return data


class S3Form(StorageForm):
    bucket = forms.CharField(max_length=255)
    region = forms.CharField(max_length=60, required=False, help_text="Such as <code>us-east-2</code>.")
    endpoint = forms.URLField(
        required=False, assume_scheme="https", help_text="Only for storages other than AWS, such as MinIO."
    )
    prefix = forms.CharField(  # type: ignore[assignment]
        max_length=500, required=False, help_text="Paths of datapoints count from here."
    )
    access_key = forms.CharField(max_length=200, required=False, widget=forms.TextInput(attrs={"autocomplete": "off"}))
    secret_key = forms.CharField(
        max_length=200,
        required=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
        help_text="Stored encrypted and never shown again.",
    )
    field_order = ["name", "bucket", "region", "endpoint", "prefix", "access_key", "secret_key"]


class KeysForm(forms.Form):
    """Other keys for a method that is there."""

    access_key = forms.CharField(max_length=200, widget=forms.TextInput(attrs={"autocomplete": "off"}))
    secret_key = forms.CharField(max_length=200, widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}))


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


class ItemsListForm(forms.Form):
    """An items list, pasted or as a file."""

    storage = forms.ModelChoiceField(StorageMethod.objects.none(), empty_label=None)
    file = forms.FileField(required=False, label="JSON file")
    text = forms.CharField(
        required=False,
        max_length=4_000_000,
        label="Or paste the list",
        widget=forms.Textarea(
            attrs={"rows": 8, "class": "code", "spellcheck": "false", "placeholder": '[{"url": "folder/image1.png"}]'}
        ),
        help_text=(
            'Each item is <code>{"url": "…"}</code> or <code>{"items": ["…"]}</code>, with an optional name, '
            "labels, priority and metaData. Without a name the path is the name."
        ),
    )
    labelset = forms.ModelChoiceField(
        Labelset.objects.none(),
        required=False,
        empty_label="No labels",
        label="Labels go to",
        help_text="Only if the items carry labels.",
    )

    def __init__(self, *args: Any, organization: Organization, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        methods = organization.storage_methods.exclude(provider="WINNOW").order_by("name")
        self.fields["storage"].queryset = methods  # type: ignore[attr-defined]
        self.fields["labelset"].queryset = organization.labelsets.order_by("name")  # type: ignore[attr-defined]

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        if bool(data.get("file")) == bool((data.get("text") or "").strip()):
            raise forms.ValidationError("Give either a file or the list itself.")
        return data


class LabelsForm(forms.Form):
    """Labels that come with the images, in a file of their own or, where `inside` says so, among the images."""

    inside = ""
    labels = forms.FileField(
        required=False,
        label="File of labels",
        help_text="COCO or RedBrick's JSON, CSV, or a ZIP archive with one of them, with YOLO or Pascal VOC.",
    )
    labelset = forms.ModelChoiceField(
        Labelset.objects.none(), required=False, empty_label="No labels", label="Labels go to"
    )

    def __init__(self, *args: Any, organization: Organization, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["labelset"].queryset = organization.labelsets.order_by("name")  # type: ignore[attr-defined]
        if self.inside:
            self.fields["labels"].help_text += f" Not needed where {self.inside} holds the labels itself."
            self.fields["labelset"].help_text = f"Choose one to take in the labels that {self.inside} holds."

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        if data.get("labels") and not data.get("labelset"):
            self.add_error("labelset", "Say which labelset the labels go to.")
        if data.get("labelset") and not data.get("labels") and "labels" not in self.errors and not self.inside:
            self.add_error("labels", "Give the file with the labels, or choose no labelset.")
        return data


class BucketForm(LabelsForm):
    """What of a bucket is to come in."""

    storage = forms.ModelChoiceField(StorageMethod.objects.none(), empty_label=None)
    prefix = forms.CharField(  # type: ignore[assignment]
        required=False, max_length=500, help_text="Only keys that begin so; empty for all."
    )
    pattern = forms.CharField(
        required=False, max_length=200, help_text="Such as <code>*/front/*.jpg</code>; empty for every picture."
    )
    field_order = ["storage", "prefix", "pattern", "labels", "labelset"]

    def __init__(self, *args: Any, organization: Organization, **kwargs: Any) -> None:
        super().__init__(*args, organization=organization, **kwargs)
        methods = organization.storage_methods.filter(provider="AWS_S3").order_by("name")
        self.fields["storage"].queryset = methods  # type: ignore[attr-defined]


class ZipForm(LabelsForm):
    """An archive of pictures."""

    inside = "the archive"
    file = forms.FileField(label="ZIP archive", allow_empty_file=True)
    field_order = ["file", "labels", "labelset"]


class FolderForm(LabelsForm):
    """A folder of the server's machine."""

    inside = "the folder"
    root = forms.ChoiceField(label="Folder of the server")
    folder = forms.CharField(
        required=False, max_length=1000, label="Folder within it", help_text="Empty for all that is in it."
    )
    field_order = ["root", "folder", "labels", "labelset"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["root"].choices = [(each, each) for each in settings.IMPORT_FOLDERS]  # type: ignore[attr-defined]


class EntryFilter(forms.Form):
    """What the labelset page shows, and an export of it holds."""

    q = forms.CharField(required=False, max_length=200)
    category = forms.TypedChoiceField(required=False, coerce=int, empty_value=None)
    source = forms.ChoiceField(required=False, choices=[("", "Any source"), *LabelsetEntry.Source.choices])
    low = forms.FloatField(required=False, min_value=0, max_value=1)
    high = forms.FloatField(required=False, min_value=0, max_value=1)

    def __init__(self, *args: Any, classes: Sequence[tuple[int, str]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["category"].choices = [("", "Any class"), *classes]  # type: ignore[attr-defined]

    @property
    def chosen(self) -> dict[str, Any]:
        """What of it is valid; the rest is as if it were not there."""
        self.is_valid()
        return {name: value for name, value in self.cleaned_data.items() if value not in ("", None)}


class ExportForm(EntryFilter):
    """What of a labelset goes out, in which form, and what comes with it."""

    format = forms.ChoiceField(choices=[], initial="coco")
    split = forms.ChoiceField(
        required=False,
        choices=[("", "All"), ("train", "Training"), ("val", "Validation"), ("test", "Test")],
        help_text="By a hash of the name, 80 to 10 to 10: an image is always in the same.",
    )
    only_matching_boxes = forms.BooleanField(
        required=False, label="Leave out boxes of another class, source or confidence too"
    )
    images = forms.BooleanField(required=False, label="With the images, upright, in a ZIP archive")
    leave_out_unsized = forms.BooleanField(
        required=False, label="Leave out images whose size is not known yet, instead of reading it now"
    )
    since = forms.CharField(
        required=False,
        max_length=80,
        label="Cursor of the earlier export",
        help_text="<code>info.cursor</code> in its JSON, or in <code>winnow.json</code> of its archive.",
    )
    FILTERS = ("category", "source", "low", "high", "q", "split")
    LIMITS = ("only_matching_boxes", "leave_out_unsized")

    def __init__(self, *args: Any, formats: Sequence[tuple[str, str]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["format"].choices = formats  # type: ignore[attr-defined]
        for name, label in (("q", "Part of the name"), ("low", "Confidence from"), ("high", "Confidence to")):
            self.fields[name].label = label

    @property
    def filters(self) -> list[forms.BoundField]:
        return [self[name] for name in self.FILTERS]

    @property
    def limits(self) -> list[forms.BoundField]:
        return [self[name] for name in self.LIMITS]

    @property
    def is_filtered(self) -> bool:
        return any(field.value() or field.errors for field in [*self.filters, *self.limits])
