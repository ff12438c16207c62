"""The HTTP API, version 1: one module a resource, the pages' services behind it."""

from __future__ import annotations

from typing import Any

from csp.decorators import csp_update
from django.contrib.auth.decorators import login_not_required
from django.urls import re_path
from django.views.decorators.csrf import csrf_exempt
from ninja import NinjaAPI
from ninja.openapi.docs import Swagger

from apps.api import (
    comments,
    datasets,
    errors,
    exports,
    external,
    flushes,
    imports,
    labelsets,
    learning,
    members,
    organizations,
    projects,
    runs,
    storage,
    tasks,
    taxonomies,
)
from apps.api.auth import BearerKey, HeaderKey
from apps.api.doors import guarded, in_shape, unknown
from apps.api.idempotency import idempotent
from apps.api.limits import KeyRate

ABOUT = """What the pages of Winnow do, for programs.

Make a key under *API keys* and send it with every request, as `Authorization: Bearer KEY` or as `ApiKey: KEY`. It
belongs to one person in one organization and may do what that person may. *Authorize* takes one to try things out.

- **Lists** come a page at a time: `?limit=100&after=` takes the `next` of the page before, until that is null.
- **Refusals** have one shape, `{"code", "message", "errors": [{"position", "field", "message"}]}`, and changed nothing.
- **POST** with an `Idempotency-Key` acts once; sent again within a day it gets the first answer.
- **Saves and submits** carry the `revision` that was read; a stale one is refused with 409.
- **Long jobs** answer with a run; *Runs* tells how far it is.
"""
# Swagger's page styles itself with style attributes: loosened for that page alone.
_documentation = csp_update({"style-src": ["'self'", "'unsafe-inline'"]})


class Api(NinjaAPI):
    """Operations go by the names of their functions, which are unique."""

    def get_openapi_operation_id(self, operation: Any) -> str:
        return str(operation.view_func.__name__)


api = Api(
    title="Winnow",
    version="1",
    description=ABOUT,
    urls_namespace="api",
    auth=[BearerKey(), HeaderKey()],
    throttle=[KeyRate()],
    docs=Swagger(settings={"validatorUrl": "none"}),
    docs_decorator=lambda view: login_not_required(_documentation(view)),
)
errors.install(api)
# The first is the innermost.
api.add_decorator(guarded, mode="view")
api.add_decorator(idempotent, mode="view")
STAGE = "/{slug}/projects/{project_id}/stages/{stage}"
for path, router, tag in (
    ("", organizations.router, "Organizations"),
    ("/{slug}/members", members.members, "Members"),
    ("/{slug}/invitations", members.invited, "Members"),
    ("/{slug}/runs", runs.router, "Runs"),
    ("/{slug}/storage-methods", storage.router, "Storage methods"),
    ("/{slug}/datasets", datasets.router, "Datasets"),
    ("/{slug}/datasets/{dataset_id}/imports", imports.ways, "Imports"),
    ("/{slug}/imports", imports.router, "Imports"),
    ("/{slug}/datapoints", datasets.images, "Datasets"),
    ("/{slug}/taxonomies", taxonomies.router, "Taxonomies"),
    ("/{slug}/labelsets", labelsets.router, "Labelsets"),
    ("/{slug}/labelsets", exports.router, "Exports"),
    ("/{slug}/exports", exports.files, "Exports"),
    ("/{slug}/projects", projects.router, "Projects"),
    ("/{slug}", tasks.router, "Tasks"),
    ("/{slug}/tasks/{task_id}/comments", comments.router, "Tasks"),
    (f"{STAGE}/learning", learning.router, "Active learning"),
    (f"{STAGE}/learning/flushes", flushes.router, "Active learning"),
    (f"{STAGE}/learning/external", external.router, "External learner"),
):
    api.add_router(f"/organizations{path}", router, tags=[tag])


urls = api.urls
patterns: Any = urls[0]
for pattern in patterns:
    # Keys, not sessions: the log-in page is never an answer here.
    pattern.callback = login_not_required(in_shape(pattern.callback))
patterns.append(re_path(r"^(?P<path>.*)$", csrf_exempt(login_not_required(unknown)), name="unknown"))
