"""The address that pages ask for a workflow's state."""

from django.urls import path

from example_project.live import views

app_name = "live"
urlpatterns = [path("<uuid:workflow_id>.json", views.status, name="status")]
