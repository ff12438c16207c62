"""What: storage methods, datasets and their datapoints, imports, labelsets and their entries."""

from __future__ import annotations

import uuid
from typing import Any

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.functions import RandomUUID
from django.contrib.postgres.indexes import GinIndex
from django.db import connection, models

from apps.common.crypto import EncryptedTextField


class StorageMethod(models.Model):
    """Where the bytes of datapoints are."""

    class Provider(models.TextChoices):
        AWS_S3 = "AWS_S3", "S3"
        PUBLIC = "PUBLIC", "Public URLs"
        WINNOW = "WINNOW", "Uploaded to Winnow"

    organization = models.ForeignKey("accounts.Organization", models.CASCADE, related_name="storage_methods")
    name = models.CharField(max_length=80)
    provider = models.CharField(max_length=8, choices=Provider.choices)
    bucket = models.CharField(max_length=255, blank=True)
    region = models.CharField(max_length=60, blank=True)
    endpoint = models.URLField(blank=True)
    prefix = models.CharField(max_length=500, blank=True)
    origins = ArrayField(
        models.CharField(max_length=300), default=list, blank=True, help_text="From where browsers load its images."
    )
    access_key = EncryptedTextField(blank=True)
    secret_key = EncryptedTextField(blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["organization", "name"], name="storage_method_name"),
            models.UniqueConstraint(
                fields=["organization"], condition=models.Q(provider="WINNOW"), name="one_winnow_storage"
            ),
        ]

    def __str__(self) -> str:
        return self.name


class Dataset(models.Model):
    """A named container of datapoints."""

    organization = models.ForeignKey("accounts.Organization", models.CASCADE, related_name="datasets")
    name = models.CharField(max_length=80)
    description = models.TextField(blank=True)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["organization", "name"], name="dataset_name")]

    def __str__(self) -> str:
        return self.name


class Import(models.Model):
    """One way in: what was asked for and what came of it. Its progress is its run's."""

    run = models.OneToOneField("common.Run", models.CASCADE, related_name="import_row", null=True, blank=True)
    dataset = models.ForeignKey(Dataset, models.CASCADE, related_name="imports")
    storage = models.ForeignKey(StorageMethod, models.PROTECT, related_name="imports", null=True)
    source = models.CharField(max_length=20, help_text="items-list, s3-prefix, folder, upload, zip")
    params = models.JSONField(default=dict, blank=True)
    cursor = models.TextField(blank=True, help_text="Up to where the source is in, written with what came in.")
    labelset = models.ForeignKey("Labelset", models.SET_NULL, related_name="+", null=True, blank=True)
    labeled = models.PositiveIntegerField(default=0)
    created = models.PositiveIntegerField(default=0)
    skipped = models.PositiveIntegerField(default=0)
    failed = models.PositiveIntegerField(default=0)
    undone_at = models.DateTimeField(null=True, blank=True)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)

    LABELS = {
        "items-list": "Items list",
        "s3-prefix": "Bucket",
        "zip": "ZIP archive",
        "upload": "Files",
        "folder": "Server folder",
    }

    def __str__(self) -> str:
        return f"{self.get_source_label()} {self.pk}"

    def get_source_label(self) -> str:
        return self.LABELS.get(self.source, self.source.capitalize())


class ImportFailure(models.Model):
    """One item that did not come in: which, where in the source, and why."""

    import_row = models.ForeignKey(Import, models.CASCADE, related_name="failures")
    position = models.BigIntegerField(null=True)
    name = models.CharField(max_length=500)
    reason = models.TextField()
    item = models.JSONField(null=True, blank=True)

    class Meta:
        indexes = [models.Index(fields=["import_row", "id"], name="import_failure_page")]


class DatapointQuerySet(models.QuerySet["Datapoint"]):
    def matching(
        self, dataset: Dataset, *, q: str = "", state: str = "", batch: Import | None = None
    ) -> DatapointQuerySet:
        """Those of a dataset whose name contains `q`, in a state, of an import."""
        found = self.filter(dataset=dataset)
        if q:
            found = found.filter(name__icontains=q)
        if state == "failed":
            found = found.exclude(error="")
        elif state in ("labeled", "unlabeled"):
            labeled = models.Exists(LabelsetEntry.objects.filter(datapoint=models.OuterRef("pk")))
            found = found.filter(labeled if state == "labeled" else ~labeled)
        return found.filter(import_row=batch) if batch else found


class Datapoint(models.Model):
    """One image of a dataset. Width and height are as a browser displays it; NULL until known."""

    uid = models.UUIDField(default=uuid.uuid4, db_default=RandomUUID(), unique=True, editable=False)
    dataset = models.ForeignKey(Dataset, models.CASCADE, related_name="datapoints", db_index=False)
    # Without an index of its own: only deleting a method asks for it, and every import would pay.
    storage = models.ForeignKey(StorageMethod, models.PROTECT, related_name="datapoints", db_index=False)
    import_row = models.ForeignKey(
        Import, models.SET_NULL, related_name="datapoints", null=True, blank=True, db_index=False
    )
    name = models.CharField(max_length=500)
    path = models.CharField(max_length=1000)
    width = models.PositiveIntegerField(null=True, blank=True)
    height = models.PositiveIntegerField(null=True, blank=True)
    bytes = models.BigIntegerField(null=True, blank=True)
    thumbnail = models.CharField(max_length=300, blank=True)
    rendition = models.CharField(max_length=300, blank=True, help_text="JPEG for what browsers cannot show.")
    error = models.CharField(max_length=300, blank=True)
    meta = models.JSONField(default=dict, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    objects = DatapointQuerySet.as_manager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["dataset", "name"], name="datapoint_name")]
        indexes = [
            models.Index(fields=["dataset", "id"], name="datapoint_page"),
            models.Index(fields=["dataset", "id"], condition=~models.Q(error=""), name="datapoint_failed"),
            models.Index(fields=["import_row", "id"], name="datapoint_of_import"),
        ]

    def __str__(self) -> str:
        return self.name


class Labelset(models.Model):
    """A typed container of final data and labels; written by at most one project, read by any."""

    organization = models.ForeignKey("accounts.Organization", models.CASCADE, related_name="labelsets")
    name = models.CharField(max_length=80)
    description = models.TextField(blank=True)
    label_type = models.CharField(max_length=20, default="image_bbox")
    taxonomy = models.ForeignKey("taxonomies.Taxonomy", models.PROTECT, related_name="labelsets")
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["organization", "name"], name="labelset_name")]

    def __str__(self) -> str:
        return self.name


class CurrentTransaction(models.Func):
    """The number of the transaction that writes a row."""

    template = "(pg_current_xact_id()::text::bigint)"
    arity = 0
    output_field = models.BigIntegerField()


class LabelsetEntryQuerySet(models.QuerySet["LabelsetEntry"]):
    _DELETE = """
        WITH gone AS (
          DELETE FROM warehouse_labelsetentry AS entry USING warehouse_datapoint AS point
          WHERE point.id = entry.datapoint_id AND entry.id IN ({keys})
          RETURNING entry.labelset_id, point.uid, point.name)
        INSERT INTO warehouse_labelsetdeletion (labelset_id, uid, name) SELECT labelset_id, uid, name FROM gone
        ON CONFLICT (labelset_id, uid) DO UPDATE SET name = excluded.name, changed = excluded.changed
        """

    def delete(self) -> tuple[int, dict[str, int]]:
        """What goes leaves a trace for exports of changes; what goes with its labelset does not."""
        keys, params = self.order_by().values("pk").query.sql_with_params()
        with connection.cursor() as cursor:
            cursor.execute(self._DELETE.format(keys=keys), params)
            return cursor.rowcount, {self.model._meta.label: cursor.rowcount}

    delete.alters_data = True  # type: ignore[attr-defined]
    delete.queryset_only = True  # type: ignore[attr-defined]

    def matching(
        self,
        *,
        category: int | None = None,
        source: str = "",
        low: float | None = None,
        high: float | None = None,
        q: str = "",
    ) -> LabelsetEntryQuerySet:
        """Those with a box of a class, of a source, with a confidence from `low` to `high`, by part of the name."""
        found = self
        if category is not None:
            found = found.filter(class_ids__contains=[category])
        if source:
            found = found.filter(source=source)
        if low is not None:
            found = found.filter(confidence__gte=low)
        if high is not None:
            found = found.filter(confidence__lte=high)
        return found.filter(datapoint__name__icontains=q) if q else found

    def boxes_by_class(self) -> list[dict[str, Any]]:
        """Boxes and images of each class, most boxes first; from the counted columns, not from the labels."""
        pairs = self.annotate(pair_class=Unnest("class_ids"), pair_boxes=Unnest("class_boxes")).values(
            "pair_class", "pair_boxes"
        )
        statement, params = pairs.order_by().query.sql_with_params()
        with connection.cursor() as cursor:
            cursor.execute(
                f"SELECT pair_class, sum(pair_boxes), count(*) FROM ({statement}) AS pairs"  # noqa: S608
                " GROUP BY 1 ORDER BY 2 DESC, 1",
                params,
            )
            return [{"class_id": key, "boxes": int(boxes), "images": n} for key, boxes, n in cursor.fetchall()]


class Unnest(models.Func):
    """A row for each element of an array."""

    function = "unnest"
    output_field = models.IntegerField()
    set_returning = True


class LabelsetEntry(models.Model):
    """The final labels of one datapoint, with their provenance."""

    class Source(models.TextChoices):
        HUMAN = "human", "Human"
        MODEL = "model", "Model"
        IMPORT = "import", "Import"

    labelset = models.ForeignKey(Labelset, models.CASCADE, related_name="entries")
    datapoint = models.ForeignKey(Datapoint, models.PROTECT, related_name="entries")
    task_uid = models.UUIDField(null=True, blank=True)
    labels = models.JSONField(default=list)
    source = models.CharField(max_length=6, choices=Source.choices)
    confidence = models.FloatField(null=True, blank=True)
    cycle = models.PositiveIntegerField(null=True, blank=True, help_text="Number of the cycle that predicted it.")
    author = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+")
    class_ids = ArrayField(
        models.IntegerField(), default=list, help_text="Distinct class ids in the labels, for filters."
    )
    class_boxes = ArrayField(
        models.IntegerField(), default=list, help_text="How many boxes of each of the class ids, for counts."
    )
    box_count = models.PositiveIntegerField(default=0)
    changed = models.BigIntegerField(
        db_default=CurrentTransaction(), editable=False, help_text="Number of the transaction that wrote it last."
    )
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    objects = LabelsetEntryQuerySet.as_manager()

    class Meta:
        verbose_name_plural = "labelset entries"
        constraints = [
            models.UniqueConstraint(fields=["labelset", "datapoint"], name="labelset_entry_once"),
            models.CheckConstraint(
                condition=~models.Q(source="model") | models.Q(confidence__isnull=False), name="entry_model_confidence"
            ),
        ]
        indexes = [
            models.Index(fields=["labelset", "id"], name="entry_page"),
            models.Index(fields=["labelset", "source", "id"], name="entry_source"),
            models.Index(fields=["labelset", "confidence", "id"], name="entry_confidence"),
            models.Index(fields=["labelset", "changed"], name="entry_changed"),
            GinIndex(fields=["class_ids"], name="entry_classes"),
        ]

    def delete(self, using: Any = None, keep_parents: bool = False) -> tuple[int, dict[str, int]]:
        return LabelsetEntry.objects.filter(pk=self.pk).delete()


class LabelsetDeletion(models.Model):
    """An entry that is no more, for exports of what has changed."""

    labelset = models.ForeignKey(Labelset, models.CASCADE, related_name="deletions", db_index=False)
    uid = models.UUIDField(help_text="Of the datapoint.")
    name = models.CharField(max_length=500)
    changed = models.BigIntegerField(
        db_default=CurrentTransaction(), editable=False, help_text="Number of the transaction that deleted it."
    )

    class Meta:
        constraints = [models.UniqueConstraint(fields=["labelset", "uid"], name="labelset_deletion_once")]
        indexes = [models.Index(fields=["labelset", "changed"], name="deletion_changed")]
