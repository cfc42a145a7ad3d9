"""Addresses of the pages that use the REST API, and of the part of it that they use."""

from django.urls import include, path

from example_project.follow import views
from example_project.follow.api import router

app_name = "follow"
urlpatterns = [
    path("", views.index, name="index"),
    path("<uuid:workflow_id>/", views.detail, name="detail"),
    path("api/", include(router.urls)),
]
