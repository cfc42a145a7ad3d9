"""The table of cities."""

from itertools import combinations

import pytest

from example_project.launch.demo import FIRST, cities
from example_project.weather.cities import SAME_PLACE, all_cities, elevation_at, find_city


def test_there_are_more_than_two_hundred_cities() -> None:
    assert len(all_cities()) >= 200


def test_coordinates_and_elevations_are_on_earth() -> None:
    for city in all_cities():
        assert -60 < city.latitude < 80, city
        assert -180 <= city.longitude <= 180, city
        assert -30 <= city.elevation < 5000, city


def test_names_are_unique_and_sorted() -> None:
    names = [city.name for city in all_cities()]
    assert len(set(names)) == len(names)
    assert all(find_city(name) is not None for name in names)


def test_no_two_cities_are_at_the_same_place() -> None:
    for one, other in combinations(all_cities(), 2):
        near = abs(one.latitude - other.latitude) < SAME_PLACE and abs(one.longitude - other.longitude) < SAME_PLACE
        assert not near, (one, other)


@pytest.mark.parametrize(
    ("name", "latitude", "longitude"),
    [
        ("Paris", 48.857, 2.352),
        ("Sydney", -33.868, 151.209),
        ("Quito", -0.18, -78.47),
        ("San Francisco", 37.77, -122.42),
    ],
)
def test_a_city_is_where_it_is(name: str, latitude: float, longitude: float) -> None:
    city = find_city(name)
    assert city is not None
    assert city.latitude == pytest.approx(latitude, abs=0.1)
    assert city.longitude == pytest.approx(longitude, abs=0.1)


@pytest.mark.parametrize("name", ["SÃO PAULO", "sao paulo", "  Sao Paulo "])
def test_case_accents_and_spaces_do_not_matter(name: str) -> None:
    city = find_city(name)
    assert city is not None
    assert city.country == "Brazil"


@pytest.mark.parametrize("name", ["", "Atlantis", "\x00", "P" * 10_000])
def test_an_unknown_name_finds_nothing(name: str) -> None:
    assert find_city(name) is None


def test_elevation_is_that_of_the_city_and_otherwise_sea_level() -> None:
    assert elevation_at(-16.50, -68.15) > 3000
    assert elevation_at(0.0, -30.0) == 0


def test_the_demo_asks_for_cities_of_the_table() -> None:
    assert len(FIRST) == len(set(FIRST)) == 50
    assert all(find_city(name) for name in FIRST)
    assert len(set(cities(len(all_cities())))) == len(all_cities())
