"""Addresses of the weather pages."""

from django.urls import path

from example_project.weather import views

app_name = "weather"
urlpatterns = [
    path("", views.index, name="index"),
    path("reports/<uuid:workflow_id>/", views.detail, name="detail"),
]
