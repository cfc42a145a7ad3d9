"""The long work: one action that takes its time, and many short mutations."""

import csv
from datetime import UTC, datetime, timedelta
from time import sleep

from django.conf import settings
from django.db import transaction

from django_workflows import current_step, report_progress
from example_project.jobs.models import ClimateYear, Day, Import, ImportedCity
from example_project.weather.cities import find_city
from example_project.weather.climate import temperature

DAYS = 365
FIRST_DAY = datetime(2025, 1, 1, 12, tzinfo=UTC)


class UnknownCity(LookupError):
    """The city is not in the table."""


def work_out_year(year_id: int) -> int:
    """An action: add day after day; how many there are at the end.

    Begins where an earlier attempt was interrupted, and stops when nobody wants the result any more.
    """
    year = ClimateYear.objects.get(id=year_id)
    city = find_city(year.city)
    if city is None:
        raise UnknownCity(f"There is no city called {year.city!r} here.")
    done = year.days.count()
    while done < DAYS and not current_step().canceled():
        at = FIRST_DAY + timedelta(days=done)
        warmth = temperature(city.latitude, city.longitude, city.elevation, at)
        if not add_day(year_id, done, warmth):
            break
        done += 1
        report_progress(done, DAYS, f"{at:%d %B}")
        sleep(settings.JOBS_PAUSE)
    return done


def add_day(year_id: int, number: int, warmth: float) -> bool:
    """Add a day, unless the year has been canceled; whether it was added.

    The row is locked, so the clean-up comes either before, and no day is added, or after, and removes it.
    """
    with transaction.atomic():
        year = ClimateYear.objects.select_for_update().get(id=year_id)
        if year.state == ClimateYear.State.CANCELED:
            return False
        Day.objects.create(year=year, number=number, temperature=warmth)
        return True


def finish_year(year_id: int) -> None:
    """A mutation."""
    ClimateYear.objects.filter(id=year_id).update(state=ClimateYear.State.READY)


def remove_days(year_id: int) -> int:
    """A mutation, the clean-up: note that nobody wants the year, and remove its days; how many there were."""
    year = ClimateYear.objects.select_for_update().get(id=year_id)
    year.state = ClimateYear.State.CANCELED
    year.save(update_fields=["state"])
    return year.days.all().delete()[0]


def count_lines(import_id: int) -> int:
    """A mutation: how many lines there are to read."""
    source = Import.objects.get(id=import_id)
    source.total = len(lines_of(source))
    source.save(update_fields=["total"])
    return source.total


def read_chunk(import_id: int, start: int, size: int) -> None:
    """A mutation: read some lines and say so, in one transaction."""
    source = Import.objects.get(id=import_id)
    chunk = lines_of(source)[start : start + size]
    ImportedCity.objects.bulk_create(
        ImportedCity(source=source, name=line["name"], country=line["country"]) for line in chunk
    )
    source.done = start + len(chunk)
    source.save(update_fields=["done"])


def lines_of(source: Import) -> list[dict[str, str]]:
    """The lines of an import, without the heading."""
    return list(csv.DictReader(source.text.splitlines()))
