"""Addresses of the long jobs."""

from django.urls import path

from example_project.jobs import views

app_name = "jobs"
urlpatterns = [
    path("", views.index, name="index"),
    path("years/<uuid:workflow_id>/", views.year, name="year"),
    path("years/<uuid:workflow_id>/cancel/", views.cancel, name="cancel"),
    path("years/<uuid:workflow_id>/delete/", views.delete, name="delete"),
    path("imports/", views.new_import, name="new-import"),
    path("imports/<uuid:workflow_id>/", views.import_page, name="import"),
    path("imports/<uuid:workflow_id>.json", views.import_status, name="import-status"),
]
