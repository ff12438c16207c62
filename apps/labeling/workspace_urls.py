"""Paths of the labeling page."""

from django.urls import URLPattern, URLResolver, include, path

from apps.labeling import workspace

task_urls: list[URLPattern | URLResolver] = [
    path("", workspace.task, name="workspace-task"),
    path("save/", workspace.save, name="workspace-save"),
    path("submit/", workspace.submit, name="workspace-submit"),
    path("accept/", workspace.accept, name="workspace-accept"),
    path("reject/", workspace.reject, name="workspace-reject"),
    path("skip/", workspace.skip, name="workspace-skip"),
    path("problem/", workspace.problem, name="workspace-problem"),
    path("reopen/", workspace.reopen, name="workspace-reopen"),
    path("comments/", workspace.comments, name="workspace-comments"),
]

page_urls: list[URLPattern | URLResolver] = [
    path("", workspace.page, name="workspace"),
    path("next/", workspace.take, name="workspace-next"),
    path("recent/", workspace.recent, name="workspace-recent"),
    path("renew/", workspace.renew, name="workspace-renew"),
    path("release/", workspace.release, name="workspace-release"),
    path("prefs/", workspace.prefs, name="workspace-prefs"),
    path("who/", workspace.who, name="workspace-who"),
    path("<uuid:task>/", include(task_urls)),
]

urlpatterns: list[URLPattern | URLResolver] = [
    path("projects/<uuid:project>/stages/<str:stage>/label/", include(page_urls)),
]
