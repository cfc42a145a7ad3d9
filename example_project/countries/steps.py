"""Works out how warm countries are, and saves it."""

from datetime import datetime
from uuid import UUID

from example_project.countries.models import Comparison, CountryMean
from example_project.weather.cities import all_cities
from example_project.weather.climate import temperature


class UnknownCountry(LookupError):
    """There is no city of that country in the table."""


def save_country(workflow_id: UUID, country: str, at: datetime) -> float:
    """A mutation: the mean over the cities of a country at an instant, in degrees Celsius."""
    cities = [city for city in all_cities() if city.country == country]
    if not cities:
        raise UnknownCountry(f"There is no city of {country!r} here.")
    warmth = [temperature(city.latitude, city.longitude, city.elevation, at) for city in cities]
    mean = round(sum(warmth) / len(warmth), 1)
    CountryMean.objects.create(workflow_id=workflow_id, country=country, cities=len(cities), mean=mean)
    return mean


def save_comparison(workflow_id: UUID, means: dict[str, float], problems: dict[str, str]) -> None:
    """A mutation."""
    Comparison.objects.create(workflow_id=workflow_id, means=means, problems=problems)
