"""The administration shows every table, and changes none that services write."""

from __future__ import annotations

import uuid
from collections.abc import Callable

import pytest
from django.apps import apps
from django.contrib import admin
from django.db.models import Model
from django.test import Client
from django.urls import reverse

from apps.accounts.models import Organization, User
from apps.autolabel import services
from apps.autolabel.models import LearningStage
from apps.labeling.models import Comment, Draft, Task
from tests.labeling.factory import label_one, make_plant

OURS = [model for model in apps.get_models() if model.__module__.startswith("apps.")]
CHANGED_BY_STAFF = {"user", "learningstage"}


@pytest.fixture
def staff(db: None, client_of: Callable[[User], Client]) -> Client:
    return client_of(User.objects.create_superuser("staff@example.com", "correct horse battery"))


@pytest.mark.parametrize("model", OURS, ids=lambda model: model._meta.label)
def test_every_model_is_listed(model: type[Model], staff: Client) -> None:
    assert admin.site.is_registered(model)
    name = f"admin:{model._meta.app_label}_{model._meta.model_name}"
    assert staff.get(reverse(f"{name}_changelist"), {"q": "3f2c"}).status_code == 200
    assert staff.get(reverse(f"{name}_add")).status_code == 403


def test_rows_are_shown_and_not_changed(organization: Organization, owner: User, staff: Client) -> None:
    plant = make_plant(organization, 3, "autolabel")
    services.send_batch(LearningStage.objects.get(name="ACTIVE_LEARNING"), size=2, by=owner, key=uuid.uuid4())
    label_one(plant.stage("LABEL"), owner)
    task = Task.objects.first()
    assert task
    Comment.objects.create(task=task, author=owner, text="Which one?")
    Draft.objects.create(task=task, user=owner)
    opened = 0
    for model in OURS:
        row = model._default_manager.first()
        if not row or model._meta.model_name in CHANGED_BY_STAFF:
            continue
        name = f"admin:{model._meta.app_label}_{model._meta.model_name}"
        assert staff.get(reverse(f"{name}_changelist")).status_code == 200
        assert staff.get(reverse(f"{name}_change", args=[row.pk])).status_code == 200
        assert staff.post(reverse(f"{name}_change", args=[row.pk]), {}).status_code == 403
        assert staff.post(reverse(f"{name}_delete", args=[row.pk]), {}).status_code == 403
        opened += 1
    assert opened > 12
