"""The site: the weather pages, the service that the steps call, the other examples, the REST API, and the admin."""

from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("", include("example_project.weather.urls")),
    path("service/", include("example_project.weather.service_urls")),
    path("live/", include("example_project.live.urls")),
    path("onboarding/", include("example_project.onboarding.urls")),
    path("approvals/", include("example_project.approvals.urls")),
    path("series/", include("example_project.series.urls")),
    path("countries/", include("example_project.countries.urls")),
    path("jobs/", include("example_project.jobs.urls")),
    path("follow/", include("example_project.follow.urls")),
    path("api/", include("django_workflows.api.urls")),
    path("admin/", admin.site.urls),
]
