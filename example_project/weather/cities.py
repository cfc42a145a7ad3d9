"""The table of cities that the weather service knows, read once from ``data/cities.csv``."""

import csv
import unicodedata
from dataclasses import dataclass
from functools import cache
from pathlib import Path

CITIES_FILE = Path(__file__).parent / "data" / "cities.csv"
SAME_PLACE = 0.02  # degrees; two cities of the table are never that close


@dataclass(frozen=True)
class City:
    """A city: ``latitude`` and ``longitude`` in degrees (north and east positive), ``elevation`` in metres."""

    name: str
    country: str
    latitude: float
    longitude: float
    elevation: int


@cache
def all_cities() -> tuple[City, ...]:
    """Every city of the table, by name."""
    with CITIES_FILE.open(encoding="utf-8", newline="") as file:
        return tuple(
            City(row["name"], row["country"], float(row["latitude"]), float(row["longitude"]), int(row["elevation"]))
            for row in csv.DictReader(file)
        )


def find_city(name: str) -> City | None:
    """The city of that name, or ``None``. Case, accents and surrounding spaces do not matter."""
    return _by_key().get(_key(name))


def elevation_at(latitude: float, longitude: float) -> int:
    """The elevation in metres of the city at that point; 0 (sea level) where the table has none."""
    for city in all_cities():
        if abs(city.latitude - latitude) < SAME_PLACE and abs(city.longitude - longitude) < SAME_PLACE:
            return city.elevation
    return 0


@cache
def _by_key() -> dict[str, City]:
    return {_key(city.name): city for city in all_cities()}


def _key(name: str) -> str:
    decomposed = unicodedata.normalize("NFKD", name.strip().casefold())
    return "".join(char for char in decomposed if not unicodedata.combining(char))
