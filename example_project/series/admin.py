"""Shows the tables of the series app in the admin."""

from django.contrib import admin

from example_project.series.models import SentMail, Subscription

admin.site.register(SentMail)
admin.site.register(Subscription)
