"""Names: versioned trees of categories."""

from __future__ import annotations

from django.db import models


class Taxonomy(models.Model):
    """One version of a tree of categories. A version freezes when it is used; editing it then makes the next one."""

    organization = models.ForeignKey("accounts.Organization", models.CASCADE, related_name="taxonomies")
    name = models.CharField(max_length=80)
    version = models.PositiveIntegerField(default=1)
    description = models.TextField(blank=True)
    frozen_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name_plural = "taxonomies"
        constraints = [
            models.UniqueConstraint(fields=["organization", "name", "version"], name="taxonomy_version"),
            models.CheckConstraint(condition=models.Q(version__gte=1), name="taxonomy_version_from_1"),
        ]

    def __str__(self) -> str:
        return f"{self.name} v{self.version}"


class Category(models.Model):
    """A node of the tree; the root `object` is not stored. Class ids are 0-based, unique, never reused."""

    taxonomy = models.ForeignKey(Taxonomy, models.CASCADE, related_name="categories")
    parent = models.ForeignKey("self", models.CASCADE, null=True, blank=True, related_name="children")
    name = models.CharField(max_length=80)
    class_id = models.PositiveIntegerField()
    depth = models.PositiveSmallIntegerField(default=1)
    color = models.PositiveSmallIntegerField(help_text="Index into the palette of 20.")
    description = models.TextField(blank=True)
    attributes = models.JSONField(default=list, blank=True)

    class Meta:
        verbose_name_plural = "categories"
        ordering = ["class_id"]
        constraints = [
            models.UniqueConstraint(fields=["taxonomy", "class_id"], name="category_class_id"),
            models.UniqueConstraint(fields=["taxonomy", "name"], name="category_name"),
            models.CheckConstraint(condition=models.Q(depth__gte=1, depth__lte=3), name="category_depth"),
            models.CheckConstraint(condition=models.Q(color__lt=20), name="category_color"),
        ]

    def __str__(self) -> str:
        return self.name
