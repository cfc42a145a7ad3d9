"""The site: the weather pages, the weather service that the steps call, and the admin."""

from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("", include("example_project.weather.urls")),
    path("service/", include("example_project.weather.service_urls")),
    path("admin/", admin.site.urls),
]
