"""Addresses of the onboarding pages."""

from django.urls import path

from example_project.onboarding import views

app_name = "onboarding"
urlpatterns = [
    path("", views.index, name="index"),
    path("members/<uuid:workflow_id>/", views.detail, name="detail"),
    path("verify/<str:token>/", views.verify, name="verify"),
    path("refine/<uuid:workflow_id>/", views.refine, name="refine"),
]
