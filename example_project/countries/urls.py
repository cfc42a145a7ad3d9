"""Addresses of the comparison."""

from django.urls import path

from example_project.countries import views

app_name = "countries"
urlpatterns = [
    path("", views.index, name="index"),
    path("<uuid:workflow_id>/", views.detail, name="detail"),
]
