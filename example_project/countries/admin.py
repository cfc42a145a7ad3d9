"""Shows the tables of the countries app in the admin."""

from django.contrib import admin

from example_project.countries.models import Comparison, CountryMean

admin.site.register(Comparison)
admin.site.register(CountryMean)
