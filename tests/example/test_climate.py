"""The climate model."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from example_project.weather.cities import all_cities
from example_project.weather.climate import temperature

JANUARY = datetime(2025, 1, 20, 12, tzinfo=UTC)
JULY = datetime(2025, 7, 20, 12, tzinfo=UTC)


def test_summer_is_warmer_than_winter_on_both_hemispheres() -> None:
    assert temperature(48.86, 2.35, 35, JULY) > temperature(48.86, 2.35, 35, JANUARY) + 10
    assert temperature(-33.87, 151.21, 19, JANUARY) > temperature(-33.87, 151.21, 19, JULY) + 10


def test_the_equator_is_warmer_than_the_pole() -> None:
    assert temperature(0, 0, 0, JULY) > temperature(89, 0, 0, JULY) + 20


def test_afternoon_is_warmer_than_night_where_the_sun_says_so() -> None:
    three_in_the_afternoon_in_tokyo = datetime(2025, 4, 1, 5, 40, tzinfo=UTC)
    by_day = temperature(35.69, 139.69, 40, three_in_the_afternoon_in_tokyo)
    by_night = temperature(35.69, 139.69, 40, three_in_the_afternoon_in_tokyo + timedelta(hours=12))
    assert by_day - by_night == pytest.approx(2 * 4 * 0.812, abs=0.3)


def test_a_kilometre_up_is_six_and_a_half_degrees_colder() -> None:
    assert temperature(10, 10, 0, JULY) - temperature(10, 10, 1000, JULY) == pytest.approx(6.5, abs=0.11)


def test_the_time_zone_of_the_instant_does_not_matter() -> None:
    elsewhere = JULY.astimezone(timezone(timedelta(hours=9)))
    assert temperature(48.86, 2.35, 35, elsewhere) == temperature(48.86, 2.35, 35, JULY)


def test_every_city_has_a_temperature_that_people_live_in() -> None:
    for city in all_cities():
        for month in range(1, 13):
            celsius = temperature(city.latitude, city.longitude, city.elevation, datetime(2025, month, 1, tzinfo=UTC))
            assert -45 < celsius < 45, (city, month)
