"""The HTTP API, version 1: one module a resource, the pages' services behind it."""

from __future__ import annotations

from typing import Any

from csp.decorators import csp_update
from django.contrib.auth.decorators import login_not_required
from ninja import NinjaAPI
from ninja.throttling import AuthRateThrottle

from apps.api import datasets, errors, labelsets, learning, organizations, projects, runs, tasks, taxonomies
from apps.api.auth import BearerKey, HeaderKey
from apps.api.idempotency import idempotent

RATE = "6000/m"

# Swagger's page styles itself with style attributes: loosened for that page alone.
_documentation = csp_update({"style-src": ["'self'", "'unsafe-inline'"]})

api = NinjaAPI(
    title="Winnow",
    version="1",
    description=__doc__ or "",
    urls_namespace="api",
    auth=[BearerKey(), HeaderKey()],
    throttle=[AuthRateThrottle(RATE)],
    docs_decorator=lambda view: login_not_required(_documentation(view)),
)
errors.install(api)
api.add_decorator(idempotent, mode="view")
for path, router, tag in (
    ("", organizations.router, "Organizations"),
    ("/{slug}/runs", runs.router, "Runs"),
    ("/{slug}/datasets", datasets.router, "Datasets"),
    ("/{slug}/datapoints", datasets.images, "Datasets"),
    ("/{slug}/taxonomies", taxonomies.router, "Taxonomies"),
    ("/{slug}/labelsets", labelsets.router, "Labelsets"),
    ("/{slug}/projects", projects.router, "Projects"),
    ("/{slug}", tasks.router, "Tasks"),
    ("/{slug}/projects/{project_id}/stages/{stage}/learning", learning.router, "Active learning"),
):
    api.add_router(f"/organizations{path}", router, tags=[tag])


# Keys, not sessions: the log-in page is never an answer here.
urls = api.urls
patterns: Any = urls[0]
for pattern in patterns:
    pattern.callback = login_not_required(pattern.callback)
