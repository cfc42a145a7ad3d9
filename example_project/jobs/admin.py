"""Shows the tables of the jobs app in the admin."""

from django.contrib import admin

from example_project.jobs.models import ClimateYear, Import

admin.site.register(ClimateYear)
admin.site.register(Import)
