"""Who may open what: every URL of the product, for everybody of the cast.

A new URL gets one row here, or the first test fails. What a row's right means for each role comes from
`apps.accounts.access.RIGHTS`. Objects that a URL names are made in `tests/access.py`.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import transaction
from django.test import Client
from django.urls import NoReverseMatch, reverse

from apps.accounts.access import RIGHTS, Can
from apps.accounts.models import Organization, Role, User
from apps.accounts.services import create_api_key
from tests.access import TOKEN, Api, Open, Personal, Row, Staff, World, url_names
from tests.warehouse.factory import make_picture

ClientOf = Callable[[User], Client]


def of_task(world: World) -> dict[str, Any]:
    return {**of_stage(world), "task": world.desk.task("a.jpg").uid}


def of_learning(world: World) -> dict[str, Any]:
    return {**of_project(world), "name": "ACTIVE_LEARNING"}


def of_storage(world: World) -> dict[str, Any]:
    return {"pk": world.datapoint.storage_id}


def in_project(world: World) -> dict[str, Any]:
    return {"project_id": world.desk.project.uid}


def in_stage(world: World) -> dict[str, Any]:
    return {**in_project(world), "stage": world.desk.stage.name}


def in_learning(world: World) -> dict[str, Any]:
    return {**in_project(world), "stage": "ACTIVE_LEARNING"}


def in_cycle(world: World) -> dict[str, Any]:
    return {**in_learning(world), "number": 1}


def a_member(world: World) -> dict[str, Any]:
    return {"member_id": world.member.pk}


def an_invitation(world: World) -> dict[str, Any]:
    return {"invitation_id": world.invitation.pk}


def an_import(world: World) -> dict[str, Any]:
    return {"import_id": world.upload.pk}


def a_storage(world: World) -> dict[str, Any]:
    return {"storage_id": world.datapoint.storage_id}


def a_bucket(world: World) -> dict[str, Any]:
    return {"storage_id": world.bucket.pk}


def a_task(world: World) -> dict[str, Any]:
    return {"task_id": world.desk.task("a.jpg").uid}


def a_dataset(world: World) -> dict[str, Any]:
    return {"dataset_id": world.dataset.pk}


def a_labelset(world: World) -> dict[str, Any]:
    return {"labelset_id": world.labelset.pk}


def a_taxonomy(world: World) -> dict[str, Any]:
    return {"taxonomy_id": world.labelset.taxonomy_id}


def of_stage(world: World) -> dict[str, Any]:
    return {"project": world.desk.project.uid, "stage": world.desk.stage.name}


def of_project(world: World) -> dict[str, Any]:
    return {"pk": world.desk.project.pk}


def of_project_stage(world: World) -> dict[str, Any]:
    return {**of_project(world), "stage": world.desk.stage.name}


def of_project_task(world: World) -> dict[str, Any]:
    return {**of_project(world), "task": world.desk.task("a.jpg").uid}


def of_stage_task(world: World) -> dict[str, Any]:
    return {**of_project_stage(world), "task": world.desk.task("a.jpg").uid}


def of_dataset(world: World) -> dict[str, Any]:
    return {"pk": world.dataset.pk}


def of_import(world: World) -> dict[str, Any]:
    return {"pk": world.upload.pk}


def of_import_way(world: World) -> dict[str, Any]:
    return of_dataset(world) | {"way": "items-list"}


def of_datapoint(world: World) -> dict[str, Any]:
    return {"uid": world.datapoint.uid}


def of_labelset(world: World) -> dict[str, Any]:
    return {"pk": world.labelset.pk}


def of_taxonomy(world: World) -> dict[str, Any]:
    return {"pk": world.labelset.taxonomy_id}


def of_run(world: World) -> dict[str, Any]:
    return {"uid": world.run.uid}


def of_member(world: World) -> dict[str, Any]:
    return {"member": world.member.pk}


def of_invitation(world: World) -> dict[str, Any]:
    return {"invitation": world.invitation.pk}


def by_link(world: World) -> dict[str, Any]:
    return {"token": world.invitation and TOKEN}


REDIRECT = frozenset({302})
NOT_FOUND = frozenset({404})

PROJECT = {"name": "New", "dataset": "Street", "taxonomy": "Traffic", "labelset": "Final"}

ROWS: dict[str, Row | Api | Personal | Open | Staff] = {
    # Everybody
    "healthz": Open(),
    "readyz": Open(frozenset({200, 503})),
    "account_login": Open(),
    "account_signup": Open(),
    "account_inactive": Open(),
    "account_logout": Open(REDIRECT),
    "account_email_verification_sent": Open(),
    "account_reset_password": Open(),
    "account_reset_password_done": Open(),
    "account_reset_password_from_key": Open(make=lambda world: {"uidb36": "1", "key": "x-y"}),
    "account_reset_password_from_key_done": Open(),
    "account_confirm_email": Open(make=lambda world: {"key": "x"}),
    "account_confirm_login_code": Open(REDIRECT),
    "mfa_authenticate": Open(REDIRECT),
    "socialaccount_login_cancelled": Open(),
    "socialaccount_signup": Open(REDIRECT),
    "openid_connect_login": Open(NOT_FOUND, make=lambda world: {"provider_id": "oidc"}),
    "openid_connect_callback": Open(NOT_FOUND, make=lambda world: {"provider_id": "oidc"}),
    "accounts:theme": Open(frozenset({422}), "post"),
    "accounts:invitation": Open(make=by_link),
    "accounts:forget-invitation": Open(REDIRECT, "post"),
    # Whoever is logged in
    "home": Personal(),
    "account_email": Personal(),
    "account_change_password": Personal(),
    "account_set_password": Personal(),
    "account_reauthenticate": Personal(),
    "mfa_index": Personal(),
    "mfa_reauthenticate": Personal(),
    "mfa_activate_totp": Personal(),
    "mfa_deactivate_totp": Personal(also=NOT_FOUND),  # for whoever has it
    "mfa_view_recovery_codes": Personal(also=NOT_FOUND),  # for whoever has it
    "mfa_generate_recovery_codes": Personal(),
    "mfa_download_recovery_codes": Personal(also=NOT_FOUND),  # for whoever has it
    "socialaccount_connections": Personal(),
    "usersessions_list": Personal(),
    "socialaccount_login_error": Personal(also=frozenset({401})),
    "accounts/social/login/cancelled/": Personal(),
    "accounts/social/login/error/": Personal(),
    "accounts/social/signup/": Personal(),
    "accounts/social/connections/": Personal(),
    "accounts:organizations": Personal(),
    "accounts:resumed": Personal(),
    "accounts:profile": Personal(),
    "accounts:end-session": Personal("post", lambda world: {"session": 0}, NOT_FOUND),
    "accounts:join": Personal("post", of_invitation, NOT_FOUND),
    "accounts:accept-invitation": Personal("post", by_link),
    "accounts:switch-account": Personal("post", by_link),
    # Staff
    "admin:*": Staff(),
    "django_rq:*": Staff(),
    # Organization and members
    "accounts:organization": Row(Can.SEE_PROJECTS),
    "accounts:members": Row(Can.MANAGE_MEMBERS),
    "accounts:rights": Row(Can.SEE_PROJECTS),
    "accounts:leave": Row(post=Can.LEAVE),
    "accounts:invite": Row(post=Can.MANAGE_MEMBERS),
    "accounts:resend-invitation": Row(post=Can.MANAGE_MEMBERS, make=of_invitation),
    "accounts:revoke-invitation": Row(post=Can.MANAGE_MEMBERS, make=of_invitation),
    "accounts:change-role": Row(post=Can.MANAGE_MEMBERS, make=of_member, data={"role": "ADMIN"}),
    "accounts:remove-member": Row(post=Can.MANAGE_MEMBERS, make=of_member),
    "accounts:make-owner": Row(post=Can.DELETE_ORGANIZATION, make=of_member),
    "accounts:settings": Row(Can.DELETE_ORGANIZATION, Can.DELETE_ORGANIZATION),
    "accounts:delete-organization": Row(post=Can.DELETE_ORGANIZATION),
    "accounts:audit-trail": Row(Can.SEE_AUDIT_TRAIL),
    "accounts:api-keys": Row(Can.USE_OWN_KEYS, Can.USE_OWN_KEYS),
    # Somebody else's key: a labeler does not see it.
    "accounts:revoke-api-key": Row(post=Can.USE_OWN_KEYS, make=lambda world: {"key": world.key.pk}, also=NOT_FOUND),
    # Runs
    "common:runs": Row(Can.MANAGE_PROJECTS),
    "common:run": Row(Can.MANAGE_PROJECTS, make=of_run),
    "common:cancel-run": Row(post=Can.MANAGE_PROJECTS, make=of_run),
    "common:retry-run": Row(post=Can.MANAGE_PROJECTS, make=of_run),
    # Warehouse
    "warehouse:datasets": Row(Can.SEE_WAREHOUSE, Can.MANAGE_WAREHOUSE),
    "warehouse:dataset": Row(Can.SEE_WAREHOUSE, make=of_dataset),
    "warehouse:edit-dataset": Row(post=Can.MANAGE_WAREHOUSE, make=of_dataset),
    "warehouse:upload": Row(Can.MANAGE_WAREHOUSE, make=of_dataset),
    "warehouse:begin-upload": Row(post=Can.MANAGE_WAREHOUSE, make=of_dataset),
    "warehouse:datapoint": Row(Can.SEE_WAREHOUSE, make=lambda world: of_dataset(world) | of_datapoint(world)),
    "warehouse:upload-file": Row(post=Can.MANAGE_WAREHOUSE, make=of_import),
    "warehouse:delete-dataset": Row(post=Can.MANAGE_WAREHOUSE, make=of_dataset),
    "warehouse:begin-import": Row(Can.MANAGE_WAREHOUSE, Can.MANAGE_WAREHOUSE, make=of_import_way),
    "warehouse:imports": Row(Can.SEE_WAREHOUSE),
    "warehouse:import": Row(Can.SEE_WAREHOUSE, make=of_import),
    "warehouse:import-failures": Row(Can.SEE_WAREHOUSE, make=of_import),
    "warehouse:retry-import": Row(post=Can.MANAGE_WAREHOUSE, make=of_import),
    "warehouse:undo-import": Row(post=Can.MANAGE_WAREHOUSE, make=of_import),
    "warehouse:labelsets": Row(Can.SEE_WAREHOUSE, Can.MANAGE_WAREHOUSE),
    "warehouse:labelset": Row(Can.SEE_WAREHOUSE, make=of_labelset),
    "warehouse:entry": Row(Can.SEE_WAREHOUSE, make=lambda world: of_labelset(world) | {"number": 1}, also=NOT_FOUND),
    "warehouse:begin-export": Row(Can.MANAGE_WAREHOUSE, make=of_labelset),
    "warehouse:labelset-export": Row(Can.MANAGE_WAREHOUSE, make=of_labelset),
    "warehouse:delete-labelset": Row(post=Can.MANAGE_WAREHOUSE, make=of_labelset),
    "warehouse:datapoint-image": Row(Can.SEE_IMAGES, make=of_datapoint),
    "warehouse:datapoint-thumbnail": Row(Can.SEE_IMAGES, make=of_datapoint),
    "warehouse:storages": Row(Can.SEE_WAREHOUSE, Can.MANAGE_WAREHOUSE),
    "warehouse:guide": Row(Can.SEE_WAREHOUSE),
    "warehouse:validate-storage": Row(post=Can.MANAGE_WAREHOUSE, make=of_storage),
    "warehouse:rotate-storage": Row(post=Can.MANAGE_WAREHOUSE, make=lambda world: {"pk": world.bucket.pk}),
    "warehouse:delete-storage": Row(post=Can.MANAGE_WAREHOUSE, make=of_storage),
    "taxonomies:list": Row(Can.SEE_WAREHOUSE),
    "taxonomies:new": Row(Can.MANAGE_WAREHOUSE, Can.MANAGE_WAREHOUSE),
    "taxonomies:preview": Row(post=Can.MANAGE_WAREHOUSE),
    "taxonomies:taxonomy": Row(Can.SEE_WAREHOUSE, make=of_taxonomy),
    "taxonomies:edit": Row(Can.MANAGE_WAREHOUSE, Can.MANAGE_WAREHOUSE, make=of_taxonomy),
    "taxonomies:export": Row(Can.SEE_WAREHOUSE, make=of_taxonomy),
    "taxonomies:delete": Row(post=Can.MANAGE_WAREHOUSE, make=of_taxonomy),
    # Projects
    "projects:list": Row(Can.SEE_PROJECTS),
    "projects:create": Row(Can.MANAGE_PROJECTS, Can.MANAGE_PROJECTS),
    "projects:preview": Row(post=Can.MANAGE_PROJECTS),
    "projects:build": Row(post=Can.MANAGE_PROJECTS),
    "projects:from-blueprint": Row(post=Can.MANAGE_PROJECTS),
    "projects:project": Row(Can.SEE_PROJECTS, make=of_project),
    "projects:stages": Row(Can.SEE_PROJECTS, make=of_project),
    "projects:configure-stage": Row(post=Can.MANAGE_PROJECTS, make=of_project_stage),
    "projects:settings": Row(Can.MANAGE_PROJECTS, Can.MANAGE_PROJECTS, make=of_project),
    "projects:add-datapoints": Row(post=Can.MANAGE_PROJECTS, make=of_project),
    "projects:versions": Row(Can.MANAGE_PROJECTS, Can.MANAGE_PROJECTS, make=of_project, also=NOT_FOUND),
    "projects:archive": Row(post=Can.MANAGE_PROJECTS, make=of_project),
    "projects:unarchive": Row(post=Can.MANAGE_PROJECTS, make=of_project),
    "projects:delete": Row(post=Can.MANAGE_PROJECTS, make=of_project),
    "labeling:stage": Row(Can.SEE_PROJECTS, make=of_project_stage),
    "labeling:release-member": Row(post=Can.MANAGE_PROJECTS, make=of_project_stage),
    "labeling:release-task": Row(post=Can.MANAGE_PROJECTS, make=of_stage_task),
    "labeling:reassign-task": Row(post=Can.MANAGE_PROJECTS, make=of_stage_task),
    "labeling:resolve-problem": Row(post=Can.MANAGE_PROJECTS, make=of_stage_task),
    "labeling:tasks": Row(Can.MANAGE_PROJECTS, make=of_project),
    "labeling:bulk-tasks": Row(post=Can.MANAGE_PROJECTS, make=of_project),
    "labeling:task": Row(Can.MANAGE_PROJECTS, make=of_project_task),
    "labeling:insights": Row(Can.SEE_INSIGHTS, make=of_project),
    "labeling:insights-csv": Row(Can.SEE_INSIGHTS, make=lambda world: of_project(world) | {"part": "members"}),
    # Active learning
    "autolabel:dashboard": Row(Can.RUN_LEARNING, make=of_learning),
    "autolabel:queue": Row(Can.RUN_LEARNING, make=of_learning),
    "autolabel:training": Row(Can.RUN_LEARNING, make=of_learning),
    "autolabel:send": Row(post=Can.RUN_LEARNING, make=of_learning),
    "autolabel:trigger": Row(post=Can.RUN_LEARNING, make=of_learning),
    "autolabel:flush": Row(post=Can.RUN_LEARNING, make=of_learning),
    "autolabel:preview": Row(Can.RUN_LEARNING, make=of_learning),
    "autolabel:check": Row(post=Can.RUN_LEARNING, make=of_learning),
    "autolabel:send-marked": Row(post=Can.RUN_LEARNING, make=of_learning),
    "autolabel:accept": Row(post=Can.RUN_LEARNING, make=of_learning),
    "autolabel:accept-preview": Row(Can.RUN_LEARNING, make=of_learning),
    "autolabel:revert": Row(
        post=Can.RUN_LEARNING, make=lambda world: of_learning(world) | {"run": uuid.uuid4()}, also=NOT_FOUND
    ),
    "autolabel:recall": Row(post=Can.RUN_LEARNING, make=lambda world: of_learning(world) | {"number": 1}),
    # There is no such cycle yet.
    "autolabel:model": Row(Can.RUN_LEARNING, make=lambda world: of_learning(world) | {"number": 1}, also=NOT_FOUND),
    "autolabel:bundle": Row(Can.RUN_LEARNING, make=lambda world: of_learning(world) | {"number": 1}, also=NOT_FOUND),
    # Labeling
    "labeling:workspace": Row(Can.LABEL, make=of_stage),
    "labeling:workspace-next": Row(post=Can.LABEL, make=of_stage),
    "labeling:workspace-recent": Row(Can.LABEL, make=of_stage),
    "labeling:workspace-renew": Row(post=Can.LABEL, make=of_stage),
    "labeling:workspace-release": Row(post=Can.LABEL, make=of_stage),
    "labeling:workspace-prefs": Row(post=Can.LABEL, make=of_stage),
    "labeling:workspace-who": Row(Can.LABEL, make=of_stage),
    "labeling:workspace-task": Row(Can.LABEL, make=of_task),
    "labeling:workspace-save": Row(post=Can.LABEL, make=of_task),
    "labeling:workspace-submit": Row(post=Can.LABEL, make=of_task),
    "labeling:workspace-accept": Row(post=Can.LABEL, make=of_task),
    "labeling:workspace-reject": Row(post=Can.LABEL, make=of_task),
    "labeling:workspace-skip": Row(post=Can.LABEL, make=of_task),
    "labeling:workspace-problem": Row(post=Can.LABEL, make=of_task),
    "labeling:workspace-reopen": Row(post=Can.LABEL, make=of_task),
    "labeling:workspace-comments": Row(Can.LABEL, Can.LABEL, make=of_task),
    # HTTP API
    "api:api-root": Open(NOT_FOUND),
    "api:openapi-json": Open(),
    "api:openapi-view": Open(),
    "api:unknown": Open(NOT_FOUND, make=lambda world: {"path": "nothing"}),
    "api:list_organizations": Api({"GET": None}, in_organization=False),
    "api:get_organization": Api({"GET": Can.SEE_PROJECTS}),
    "api:list_members": Api({"GET": Can.MANAGE_MEMBERS}),
    "api:change_role": Api({"PATCH": Can.MANAGE_MEMBERS}, a_member, {"role": "ADMIN"}),
    "api:remove_member": Api({"DELETE": Can.MANAGE_MEMBERS}, a_member),
    "api:list_invitations": Api({"GET": Can.MANAGE_MEMBERS}),
    "api:invite": Api({"POST": Can.MANAGE_MEMBERS}, data={"email": "x@example.com"}),
    "api:resend_invitation": Api({"POST": Can.MANAGE_MEMBERS}, an_invitation),
    "api:revoke_invitation": Api({"DELETE": Can.MANAGE_MEMBERS}, an_invitation),
    "api:list_runs": Api({"GET": Can.SEE_WAREHOUSE}),
    "api:get_run": Api({"GET": Can.MANAGE_PROJECTS}, of_run),
    "api:cancel_run": Api({"POST": Can.MANAGE_PROJECTS}, of_run),
    "api:retry_run": Api({"POST": Can.MANAGE_PROJECTS}, of_run),
    "api:list_storage_methods": Api({"GET": Can.SEE_WAREHOUSE}),
    "api:create_storage_method": Api({"POST": Can.MANAGE_WAREHOUSE}, data={"provider": "PUBLIC", "name": "Web"}),
    "api:get_storage_method": Api({"GET": Can.SEE_WAREHOUSE}, a_storage),
    "api:validate_storage_method": Api({"POST": Can.MANAGE_WAREHOUSE}, a_storage),
    "api:rotate_storage_keys": Api({"PUT": Can.MANAGE_WAREHOUSE}, a_bucket, {"access_key": "a", "secret_key": "b"}),
    "api:delete_storage_method": Api({"DELETE": Can.MANAGE_WAREHOUSE}, a_storage),
    "api:list_datasets": Api({"GET": Can.SEE_WAREHOUSE}),
    "api:create_dataset": Api({"POST": Can.MANAGE_WAREHOUSE}, data={"name": "New"}),
    "api:get_dataset": Api({"GET": Can.SEE_WAREHOUSE}, a_dataset),
    "api:edit_dataset": Api({"PATCH": Can.MANAGE_WAREHOUSE}, a_dataset, {"name": "Other"}),
    "api:delete_dataset": Api({"DELETE": Can.MANAGE_WAREHOUSE}, a_dataset),
    "api:list_datapoints": Api({"GET": Can.SEE_WAREHOUSE}, a_dataset),
    "api:upload_datapoint": Api({"POST": Can.MANAGE_WAREHOUSE}, a_dataset, is_upload=True),
    "api:import_items": Api({"POST": Can.MANAGE_WAREHOUSE}, a_dataset, {"storage_method": "Web", "items": []}),
    "api:import_items_file": Api({"POST": Can.MANAGE_WAREHOUSE}, a_dataset, {"storage_method": "Web"}, is_upload=True),
    "api:import_bucket": Api({"POST": Can.MANAGE_WAREHOUSE}, a_dataset, {"storage_method": "Web"}),
    "api:import_archive": Api({"POST": Can.MANAGE_WAREHOUSE}, a_dataset, is_upload=True),
    "api:import_folder": Api({"POST": Can.MANAGE_WAREHOUSE}, a_dataset, {"root": "/nowhere"}),
    "api:begin_uploads": Api({"POST": Can.MANAGE_WAREHOUSE}, a_dataset),
    "api:list_imports": Api({"GET": Can.SEE_WAREHOUSE}),
    "api:get_import": Api({"GET": Can.SEE_WAREHOUSE}, an_import),
    "api:list_import_failures": Api({"GET": Can.SEE_WAREHOUSE}, an_import),
    "api:retry_import": Api({"POST": Can.MANAGE_WAREHOUSE}, an_import),
    "api:undo_import": Api({"POST": Can.MANAGE_WAREHOUSE}, an_import),
    "api:get_image": Api({"GET": Can.SEE_IMAGES}, of_datapoint),
    "api:list_taxonomies": Api({"GET": Can.SEE_WAREHOUSE}),
    "api:create_taxonomy": Api({"POST": Can.MANAGE_WAREHOUSE}, data={"name": "New", "categories": ["a"]}),
    "api:get_taxonomy": Api({"GET": Can.SEE_WAREHOUSE}, a_taxonomy),
    "api:delete_taxonomy": Api({"DELETE": Can.MANAGE_WAREHOUSE}, a_taxonomy),
    "api:edit_taxonomy": Api({"POST": Can.MANAGE_WAREHOUSE}, a_taxonomy, {"categories": ["a"]}),
    "api:list_labelsets": Api({"GET": Can.SEE_WAREHOUSE}),
    "api:create_labelset": Api({"POST": Can.MANAGE_WAREHOUSE}, data={"name": "New", "taxonomy": "Traffic"}),
    "api:get_labelset": Api({"GET": Can.SEE_WAREHOUSE}, a_labelset),
    "api:edit_labelset": Api({"PATCH": Can.MANAGE_WAREHOUSE}, a_labelset, {"name": "Other"}),
    "api:delete_labelset": Api({"DELETE": Can.MANAGE_WAREHOUSE}, a_labelset),
    "api:list_entries": Api({"GET": Can.SEE_WAREHOUSE}, a_labelset),
    "api:export_labelset": Api({"GET": Can.MANAGE_WAREHOUSE}, a_labelset),
    "api:begin_export": Api({"POST": Can.MANAGE_WAREHOUSE}, a_labelset, {"format": "coco"}),
    "api:get_export_file": Api({"GET": Can.MANAGE_WAREHOUSE}, lambda world: {"uid": world.export.uid}),
    "api:list_projects": Api({"GET": Can.SEE_PROJECTS}),
    "api:create_project": Api({"POST": Can.MANAGE_PROJECTS}, data=PROJECT),
    "api:get_project": Api({"GET": Can.SEE_PROJECTS}, in_project),
    "api:delete_project": Api({"DELETE": Can.MANAGE_PROJECTS}, in_project),
    "api:add_datapoints": Api({"POST": Can.MANAGE_PROJECTS}, in_project),
    "api:archive_project": Api({"POST": Can.MANAGE_PROJECTS}, in_project),
    "api:unarchive_project": Api({"POST": Can.MANAGE_PROJECTS}, in_project),
    "api:list_stages": Api({"GET": Can.SEE_PROJECTS}, in_project),
    "api:get_stage": Api({"GET": Can.SEE_PROJECTS}, in_stage),
    "api:configure_stage": Api({"PATCH": Can.MANAGE_PROJECTS}, in_stage, {"config": {}}),
    "api:list_tasks": Api({"GET": Can.MANAGE_PROJECTS}, in_project),
    "api:next_tasks": Api({"POST": Can.LABEL}, in_stage, {"count": 1}),
    "api:get_task": Api({"GET": Can.LABEL}, a_task),
    "api:save_task": Api({"POST": Can.LABEL}, a_task, {"labels": [], "revision": 0}),
    "api:submit_task": Api({"POST": Can.LABEL}, a_task, {"labels": [], "revision": 0}),
    "api:accept_task": Api({"POST": Can.LABEL}, a_task, {"revision": 0}),
    "api:reject_task": Api({"POST": Can.LABEL}, a_task, {"revision": 0, "comment": "No."}),
    "api:skip_task": Api({"POST": Can.LABEL}, a_task, {}),
    "api:report_problem": Api({"POST": Can.LABEL}, a_task, {"text": "Blurred"}),
    "api:list_comments": Api({"GET": Can.LABEL}, a_task),
    "api:comment_on_task": Api({"POST": Can.LABEL}, a_task, {"text": "Blurred"}),
    "api:resolve_comment": Api({"POST": Can.LABEL}, lambda world: a_task(world) | {"comment_id": world.comment.pk}),
    "api:remote_tasks": Api({"GET": Can.MANAGE_PROJECTS}, in_stage),
    "api:submit_remote_task": Api({"POST": Can.MANAGE_PROJECTS}, a_task, {"labels": []}),
    "api:summary": Api({"GET": Can.RUN_LEARNING}, in_learning),
    "api:send_batch": Api({"POST": Can.RUN_LEARNING}, in_learning, {"size": 1}),
    "api:list_batches": Api({"GET": Can.RUN_LEARNING}, in_learning),
    "api:recall_batch": Api({"POST": Can.RUN_LEARNING}, in_cycle),
    "api:list_queue": Api({"GET": Can.RUN_LEARNING}, in_learning),
    "api:trigger_cycle": Api({"POST": Can.RUN_LEARNING}, in_learning, {}),
    "api:list_cycles": Api({"GET": Can.RUN_LEARNING}, in_learning),
    "api:get_model": Api({"GET": Can.RUN_LEARNING}, in_cycle, also=NOT_FOUND),  # no cycle has run
    "api:cancel": Api({"POST": Can.RUN_LEARNING}, in_learning),
    "api:flush": Api({"POST": Can.RUN_LEARNING}, in_learning, {}),
    "api:preview_flush": Api({"GET": Can.RUN_LEARNING}, in_learning),
    "api:accept_predictions": Api({"POST": Can.RUN_LEARNING}, in_learning, {"threshold": 0.9}),
    "api:revert_flush": Api(
        {"POST": Can.RUN_LEARNING}, lambda world: in_learning(world) | {"uid": world.run.uid}, also=NOT_FOUND
    ),  # no flush
    "api:get_external_cycle": Api({"GET": Can.RUN_LEARNING}, in_learning),
    "api:list_labeled": Api({"GET": Can.RUN_LEARNING}, in_cycle),
    "api:list_unlabeled": Api({"GET": Can.RUN_LEARNING}, in_cycle),
    "api:post_predictions": Api({"POST": Can.RUN_LEARNING}, in_cycle),
    "api:close_cycle": Api({"POST": Can.RUN_LEARNING}, in_cycle),
}

ORGANIZATION_ROWS = {name: row for name, row in ROWS.items() if isinstance(row, Row)}
API_ROWS = {name: row for name, row in ROWS.items() if isinstance(row, Api)}
REFUSED = {401, 403, 404, 405}


def named(name: str) -> str:
    """The key under which a URL is listed: itself, or its namespace with a star."""
    starred = f"{name.split(':')[0].split('/')[0]}:*"
    return starred if starred in ROWS else name


def path_of(name: str, kwargs: dict[str, Any]) -> str:
    """The path of a URL; one without a name is listed by its path."""
    return f"/{name}" if "/" in name else reverse(name, kwargs=kwargs)


def test_every_url_is_in_the_matrix_and_every_row_is_a_url() -> None:
    listed = {named(name) for name in url_names()}
    assert sorted(listed - ROWS.keys()) == [], "URLs without a row in this table"
    assert sorted(ROWS.keys() - listed) == [], "rows of this table that are no URL any more"


@pytest.fixture
def world(organization: Organization, owner: User) -> World:
    return World(organization, owner)


@pytest.fixture
def people(owner: User, admin: User, labeler: User, client_of: ClientOf) -> dict[Role, Client]:
    return {Role.OWNER: client_of(owner), Role.ADMIN: client_of(admin), Role.LABELER: client_of(labeler)}


def ask(client: Client, method: str, path: str, data: dict[str, Any] | None = None, **headers: str) -> int:
    """The answer's status; login means a redirect there. What the request changed is undone."""
    with transaction.atomic():
        response = getattr(client, method)(path, data or {}, headers=headers)
        transaction.set_rollback(True)
    at_login = response.status_code == 302 and response["Location"].startswith("/accounts/login/")
    return 401 if at_login else int(response.status_code)


@pytest.mark.parametrize("name", ORGANIZATION_ROWS)
def test_an_organizations_page_opens_for_its_roles_alone(
    name: str, world: World, people: dict[Role, Client], stranger: User, client_of: ClientOf
) -> None:
    row = ORGANIZATION_ROWS[name]
    kwargs = row.make(world)
    path = reverse(name, kwargs={"org": "acme", **kwargs})
    for method, can in (("get", row.get), ("post", row.post)):
        if can is None:
            assert ask(people[Role.OWNER], method, path) == 405, f"{method} by the owner"
            continue
        assert ask(Client(), method, path, row.data) == 401, f"{method} by nobody"
        assert ask(client_of(stranger), method, path, row.data) == 404, f"{method} by a stranger"
        if kwargs:
            elsewhere = reverse(name, kwargs={"org": "other", **kwargs})
            assert ask(client_of(stranger), method, elsewhere, row.data) == 404, (
                f"{method} through another organization"
            )
        for role, client in people.items():
            status = ask(client, method, path, row.data)
            if role in RIGHTS[can]:
                assert status < 500 and status not in REFUSED - row.also, f"{method} by {role}: {status}"
            else:
                assert status == 403, f"{method} by {role}: {status}"


@pytest.mark.parametrize("name", [name for name, row in ROWS.items() if isinstance(row, Personal)])
def test_a_personal_page_opens_for_whoever_is_logged_in(name: str, world: World, people: dict[Role, Client]) -> None:
    row = ROWS[name]
    assert isinstance(row, Personal)
    path = path_of(name, row.make(world))
    assert ask(Client(), row.method, path) == 401
    for role, client in people.items():
        status = ask(client, row.method, path)
        assert status < 500 and status not in REFUSED - row.also, f"{role}: {status}"


@pytest.mark.parametrize("name", [name for name, row in ROWS.items() if isinstance(row, Open)])
def test_an_open_page_answers_nobody(name: str, world: World) -> None:
    row = ROWS[name]
    assert isinstance(row, Open)
    path = path_of(name, row.make(world))
    response = getattr(Client(), row.method)(path)
    assert response.status_code in row.answers
    assert not response.headers.get("Location", "").startswith("/accounts/login/?next=")


@pytest.mark.parametrize("namespace", [name.removesuffix("*") for name, row in ROWS.items() if isinstance(row, Staff)])
def test_only_staff_opens_the_administration(namespace: str, people: dict[Role, Client], client_of: ClientOf) -> None:
    staff = client_of(User.objects.create_superuser("root@example.com", "correct horse battery"))
    opened = 0
    for name in {name for name in url_names() if name.startswith(namespace)} - {"admin:login", "admin:logout"}:
        try:
            path = reverse(name)
        except NoReverseMatch:
            continue
        for client in (Client(), *people.values()):
            assert client.get(path).status_code in {302, 401, 403, 404}, name
        opened += staff.get(path).status_code == 200
    assert opened > 0


@pytest.mark.parametrize("name", API_ROWS)
def test_a_resource_of_the_api_answers_its_roles_alone(
    name: str, world: World, owner: User, admin: User, labeler: User, stranger: User
) -> None:
    row = API_ROWS[name]
    made = row.make(world)
    path = path_of(name, ({"slug": "acme"} if row.in_organization else {}) | made)
    for method, can in row.methods.items():
        assert ask_api(row, path, method, None) == 401, f"{method} by nobody"
        if can is None:
            continue
        assert ask_api(row, path, method, stranger) == 404, f"{method} by a stranger"
        if made:
            elsewhere = path_of(name, {"slug": "other"} | made)
            assert ask_api(row, elsewhere, method, stranger) == 404, f"{method} through another organization"
        for user in (owner, admin, labeler):
            status = ask_api(row, path, method, user)
            if Role(user.memberships.get().role) in RIGHTS[can]:
                assert status < 500 and status not in REFUSED - row.also, f"{method} by {user}: {status}"
            else:
                assert status == 403, f"{method} by {user}: {status}"


def ask_api(row: Api, path: str, method: str, user: User | None) -> int:
    """The answer's status. What the request changed, and the key it came with, is undone."""
    with transaction.atomic():
        headers = {}
        if user:
            _, secret = create_api_key(organization=user.memberships.get().organization, user=user, name="matrix")
            headers["Authorization"] = f"Bearer {secret}"
        if row.is_upload:
            file = SimpleUploadedFile("b.jpg", make_picture())
            response = Client().post(path, {"file": file, **(row.data or {})}, headers=headers)
        else:
            body = "" if row.data is None else json.dumps(row.data)
            response = Client().generic(method, path, body, content_type="application/json", headers=headers)
        transaction.set_rollback(True)
    return int(response.status_code)


def test_a_labeler_is_refused_everything_but_projects_and_labeling() -> None:
    labelers = {can for can in Can if Role.LABELER in RIGHTS[can]}
    assert labelers == {Can.SEE_PROJECTS, Can.LABEL, Can.SEE_IMAGES, Can.LEAVE, Can.USE_OWN_KEYS}
