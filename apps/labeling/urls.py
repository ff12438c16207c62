"""Paths of the labeling app."""

from django.urls import URLPattern, URLResolver, include, path

from apps.labeling.views import insights, stages, tasks
from apps.labeling.workspace_urls import urlpatterns as workspace_urlpatterns

app_name = "labeling"

_stage: list[URLPattern | URLResolver] = [
    path("", stages.stage, name="stage"),
    path("release/", stages.release, name="release-member"),
    path("tasks/<uuid:task>/release/", stages.release_task, name="release-task"),
    path("tasks/<uuid:task>/reassign/", stages.reassign, name="reassign-task"),
    path("tasks/<uuid:task>/resolve/", stages.resolve, name="resolve-problem"),
]
_project: list[URLPattern | URLResolver] = [
    path("stages/<str:stage>/", include(_stage)),
    path("tasks/", tasks.tasks, name="tasks"),
    path("tasks/bulk/", tasks.bulk, name="bulk-tasks"),
    path("tasks/<uuid:task>/", tasks.task, name="task"),
    path("insights/", insights.page, name="insights"),
    path("insights/<str:part>.csv", insights.as_csv, name="insights-csv"),
]
urlpatterns: list[URLPattern | URLResolver] = [
    *workspace_urlpatterns,
    path("projects/<int:pk>/", include(_project)),
]
