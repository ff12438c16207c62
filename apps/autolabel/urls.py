"""Paths of the autolabel app."""

from django.urls import URLPattern, URLResolver, include, path

from apps.autolabel import views

app_name = "autolabel"

_stage: list[URLPattern | URLResolver] = [
    path("", views.overview, name="dashboard"),
    path("queue/", views.queued, name="queue"),
    path("training/", views.training, name="training"),
    path("send/", views.send, name="send"),
    path("trigger/", views.trigger, name="trigger"),
    path("flush/", views.flush, name="flush"),
    path("flush/preview/", views.preview, name="preview"),
    path("flush/check/", views.check, name="check"),
    path("batches/<int:number>/recall/", views.recall, name="recall"),
    path("cycles/<int:number>/model/", views.model, name="model"),
]
urlpatterns: list[URLPattern | URLResolver] = [
    path("projects/<int:pk>/stages/<str:name>/autolabel/", include(_stage)),
]
