"""Estimates the air temperature somewhere at some moment. It is a model of the climate, not a measurement.

Four terms, each a textbook shape with rounded numbers:

- the year's mean at sea level falls with the square of the sine of the latitude, as in energy-balance climate models;
- the seasons are a cosine with its coldest day about one month after the winter solstice, growing towards the poles;
- the day is a cosine that peaks at 15:00 local solar time, shrinking towards the poles;
- the air cools by 6.5 degrees for each kilometre of elevation (the standard atmosphere).

Oceans, winds and weather are left out, so London comes out too cold and Yakutsk too warm.
"""

from datetime import UTC, datetime
from math import cos, pi, radians, sin

MEAN_AT_EQUATOR = 28.9
EQUATOR_TO_POLE = 42.0
SEASON_AMPLITUDE = 14.0
DAY_AMPLITUDE = 4.0
LAPSE_RATE = 6.5 / 1000
COLDEST_DAY = 20
DAYS_PER_YEAR = 365.25
WARMEST_HOUR = 15


def temperature(latitude: float, longitude: float, elevation: float, at: datetime) -> float:
    """Degrees Celsius, to one decimal, at a point (degrees, metres above the sea) and an aware instant."""
    instant = at.astimezone(UTC)
    day = instant.timetuple().tm_yday
    hour = instant.hour + instant.minute / 60 + longitude / 15
    tilt = sin(radians(latitude))
    mean = MEAN_AT_EQUATOR - EQUATOR_TO_POLE * tilt**2
    season = -SEASON_AMPLITUDE * tilt * cos(2 * pi * (day - COLDEST_DAY) / DAYS_PER_YEAR)
    daily = DAY_AMPLITUDE * cos(radians(latitude)) * cos(2 * pi * (hour - WARMEST_HOUR) / 24)
    return round(mean + season + daily - LAPSE_RATE * elevation, 1)
