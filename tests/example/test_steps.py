"""The steps of the weather workflow, against the real service on a real port."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import uuid4

import pytest
from django.db import IntegrityError

from example_project.weather.models import Report
from example_project.weather.steps import (
    CityNotFound,
    Place,
    ServiceUnavailable,
    WeatherReport,
    get_geocoding,
    get_weather,
    save_report,
)

if TYPE_CHECKING:
    from pytest_django import Settings


def test_geocoding_finds_a_place(weather_service: str) -> None:
    assert get_geocoding("Tokyo") == Place("Tokyo", "Japan", 35.69, 139.69)


def test_geocoding_takes_names_with_spaces_and_accents(weather_service: str) -> None:
    assert get_geocoding("São Paulo").country == "Brazil"


def test_weather_is_a_temperature(weather_service: str) -> None:
    assert -30 < get_weather(35.69, 139.69) < 45


def test_an_unknown_city_is_not_found(weather_service: str) -> None:
    with pytest.raises(CityNotFound, match="There is no city called 'Atlantis' here"):
        get_geocoding("Atlantis")


def test_an_outage_is_unavailable(weather_service: str, settings: Settings) -> None:
    settings.WEATHER_SERVICE_FAIL_EVERY = 1
    with pytest.raises(ServiceUnavailable, match="geocode answered 503: The service is overloaded"):
        get_geocoding("Tokyo")


def test_no_server_is_unavailable() -> None:
    with pytest.raises(ServiceUnavailable, match="forecast did not answer"):
        get_weather(35.69, 139.69)


@pytest.mark.django_db
def test_a_report_is_saved() -> None:
    workflow_id = uuid4()
    save_report(workflow_id, WeatherReport("Tokyo", "Japan", 21.5))
    report = Report.objects.get(workflow_id=workflow_id)
    assert (report.city, report.country, report.temperature) == ("Tokyo", "Japan", 21.5)
    assert str(report) == "Tokyo, Japan: 21.5 °C"


@pytest.mark.django_db
def test_a_second_report_of_one_workflow_is_refused() -> None:
    workflow_id = uuid4()
    save_report(workflow_id, WeatherReport("Tokyo", "Japan", 21.5))
    with pytest.raises(IntegrityError):
        save_report(workflow_id, WeatherReport("Tokyo", "Japan", 21.5))
