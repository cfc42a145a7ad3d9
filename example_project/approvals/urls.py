"""Addresses of the approval pages."""

from django.urls import path

from example_project.approvals import views

app_name = "approvals"
urlpatterns = [
    path("", views.index, name="index"),
    path("<uuid:workflow_id>/", views.detail, name="detail"),
]
