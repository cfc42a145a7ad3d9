"""Shows the tables of the onboarding app in the admin."""

from django.contrib import admin

from example_project.onboarding.models import Member, Refinement

admin.site.register(Member)
admin.site.register(Refinement)
