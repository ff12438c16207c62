"""The URL map: every app keeps its own paths."""

from django.contrib import admin
from django.urls import include, path

from apps.accounts.views.organizations import home
from apps.api.urls import urls as api
from apps.common.health import healthz, readyz

handler400 = "config.limits.handler400"

urlpatterns = [
    path("healthz", healthz, name="healthz"),
    path("readyz", readyz, name="readyz"),
    path("admin/rq/", include("django_rq.urls")),
    path("admin/", admin.site.urls),
    path("api/v1/", api),
    path("accounts/", include("allauth.urls")),
    path("", home, name="home"),
    path("", include("apps.accounts.urls")),
    path("o/<slug:org>/", include("apps.common.urls")),
    path("o/<slug:org>/", include("apps.warehouse.urls")),
    path("o/<slug:org>/", include("apps.taxonomies.urls")),
    path("o/<slug:org>/", include("apps.projects.urls")),
    path("o/<slug:org>/", include("apps.labeling.urls")),
    path("o/<slug:org>/", include("apps.autolabel.urls")),
]
