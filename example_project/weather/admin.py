"""Shows lookups and reports in the admin."""

from django.contrib import admin

from example_project.weather.models import Lookup, Report


@admin.register(Lookup)
class LookupAdmin(admin.ModelAdmin):
    list_display = ("city", "outcome", "detail", "created_at", "finished_at")
    list_filter = ("outcome",)
    search_fields = ("city", "workflow_id")


@admin.register(Report)
class ReportAdmin(admin.ModelAdmin):
    list_display = ("city", "country", "temperature", "created_at")
    list_filter = ("country",)
    search_fields = ("city", "workflow_id")
