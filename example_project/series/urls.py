"""Addresses of the mail series."""

from django.urls import path

from example_project.series import views

app_name = "series"
urlpatterns = [
    path("", views.index, name="index"),
    path("<uuid:workflow_id>/", views.detail, name="detail"),
    path("<uuid:workflow_id>/stop/", views.stop, name="stop"),
]
