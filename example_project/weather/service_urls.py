"""Addresses of the weather service."""

from django.urls import path

from example_project.weather import service

urlpatterns = [
    path("", service.about, name="service-about"),
    path("geocode", service.geocode, name="service-geocode"),
    path("forecast", service.forecast, name="service-forecast"),
]
