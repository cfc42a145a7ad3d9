"""Shows the tables of the approvals app in the admin."""

from django.contrib import admin

from example_project.approvals.models import Request

admin.site.register(Request)
