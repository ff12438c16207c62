"""Paths of the autolabel app."""

from django.urls import URLPattern, URLResolver, include, path

from apps.autolabel import queue_views, views

app_name = "autolabel"

_stage: list[URLPattern | URLResolver] = [
    path("", views.overview, name="dashboard"),
    path("queue/", queue_views.queued, name="queue"),
    path("queue/send/", queue_views.send_marked, name="send-marked"),
    path("queue/accept/", queue_views.accept, name="accept"),
    path("queue/accept/preview/", queue_views.accept_preview, name="accept-preview"),
    path("flushes/<uuid:run>/revert/", queue_views.revert, name="revert"),
    path("training/", views.training, name="training"),
    path("send/", views.send, name="send"),
    path("trigger/", views.trigger, name="trigger"),
    path("flush/", views.flush, name="flush"),
    path("flush/preview/", views.preview, name="preview"),
    path("flush/check/", views.check, name="check"),
    path("batches/<int:number>/recall/", views.recall, name="recall"),
    path("cycles/<int:number>/model/", views.model, name="model"),
    path("cycles/<int:number>/bundle/", views.model_bundle, name="bundle"),
]
urlpatterns: list[URLPattern | URLResolver] = [
    path("projects/<int:pk>/stages/<str:name>/autolabel/", include(_stage)),
]
