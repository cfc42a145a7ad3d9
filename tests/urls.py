from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("admin/", admin.site.urls),
    path("api/", include("django_workflows.api.urls")),
    path("metrics/", include("django_workflows.metrics.urls")),
]
