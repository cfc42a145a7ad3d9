"""The weather service: its answers, and its outages."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest
from django.test import Client

from example_project.weather.cities import all_cities
from example_project.weather.outages import Outages

if TYPE_CHECKING:
    from pytest_django import Settings


def test_geocode_knows_a_city(client: Client) -> None:
    response = client.get("/service/geocode", {"name": "paris"})
    assert response.status_code == 200
    assert response.json() == {"name": "Paris", "country": "France", "latitude": 48.86, "longitude": 2.35}


def test_geocode_answers_404_for_an_unknown_city(client: Client) -> None:
    response = client.get("/service/geocode", {"name": "Atlantis"})
    assert response.status_code == 404
    assert "Atlantis" in response.json()["error"]


def test_forecast_answers_a_temperature(client: Client) -> None:
    response = client.get("/service/forecast", {"latitude": "48.86", "longitude": "2.35"})
    assert response.status_code == 200
    assert -30 < response.json()["temperature"] < 45


@pytest.mark.parametrize(
    "query",
    [
        {},
        {"latitude": "north", "longitude": "2"},
        {"latitude": "91", "longitude": "2"},
        {"latitude": "nan", "longitude": "2"},
    ],
)
def test_forecast_answers_400_for_coordinates_that_are_not_on_earth(client: Client, query: dict[str, str]) -> None:
    response = client.get("/service/forecast", query)
    assert response.status_code == 400
    assert "latitude" in response.json()["error"]


def test_the_service_says_what_it_is_even_in_an_outage(client: Client, settings: Settings) -> None:
    settings.WEATHER_SERVICE_FAIL_EVERY = 1
    response = client.get("/service/")
    assert response.json() == {"service": "weather", "cities": len(all_cities()), "measured": False}


def test_only_get_is_allowed(client: Client) -> None:
    assert client.post("/service/geocode", {"name": "Paris"}).status_code == 405


def test_a_refused_request_is_answered_when_it_is_sent_again(client: Client, settings: Settings) -> None:
    settings.WEATHER_SERVICE_FAIL_EVERY = 8
    answers = [client.get("/service/geocode", {"name": "Bangkok"}).status_code for _ in range(17)]
    assert answers == [503, *[200] * 7] * 2 + [503]


def test_about_one_request_in_eight_is_refused() -> None:
    outages = Outages()
    refused = sum(outages.refuses(f"/service/geocode?name={city.name}", 8) for city in all_cities())
    assert refused == pytest.approx(len(all_cities()) / 8, rel=0.3)


def test_the_same_requests_are_refused_in_every_run() -> None:
    requests = [f"/service/geocode?name={city.name}" for city in all_cities()] * 2
    one, other = Outages(), Outages()
    assert [one.refuses(request, 8) for request in requests] == [other.refuses(request, 8) for request in requests]


def test_nothing_is_refused_when_outages_are_off() -> None:
    outages = Outages()
    assert not any(outages.refuses("/service/", 0) for _ in range(100))


def test_threads_that_ask_at_once_are_counted_exactly() -> None:
    outages = Outages()
    refused: list[bool] = []

    def ask() -> None:
        refused.extend([outages.refuses("/service/", 8) for _ in range(800)])

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(refused) == 800
