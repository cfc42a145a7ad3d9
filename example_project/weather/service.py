"""The weather service: two small HTTP endpoints, which in real life would be somebody else's.

``GET geocode?name=Paris`` and ``GET forecast?latitude=48.86&longitude=2.35`` answer JSON. Both are out of order
(503) for about one request in ``WEATHER_SERVICE_FAIL_EVERY``.
"""

from collections.abc import Callable
from functools import wraps
from math import isfinite

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from django.views.decorators.http import require_GET

from example_project.weather.cities import all_cities, elevation_at, find_city
from example_project.weather.climate import temperature
from example_project.weather.outages import outages


def unreliable(view: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """Makes a view answer 503 now and then, as services do."""

    @wraps(view)
    def wrapper(request: HttpRequest) -> HttpResponse:
        if outages.refuses(request.get_full_path(), settings.WEATHER_SERVICE_FAIL_EVERY):
            return JsonResponse({"error": "The service is overloaded. Try again."}, status=503)
        return view(request)

    return wrapper


@require_GET
def about(request: HttpRequest) -> HttpResponse:
    """What this service is; always answers, so it can be used to see whether the service is up."""
    return JsonResponse({"service": "weather", "cities": len(all_cities()), "measured": False})


@require_GET
@unreliable
def geocode(request: HttpRequest) -> HttpResponse:
    """Where a city is; 404 when the table does not have it."""
    name = request.GET.get("name", "")
    city = find_city(name)
    if city is None:
        return JsonResponse({"error": f"There is no city called {name!r} here."}, status=404)
    return JsonResponse(
        {"name": city.name, "country": city.country, "latitude": city.latitude, "longitude": city.longitude}
    )


@require_GET
@unreliable
def forecast(request: HttpRequest) -> HttpResponse:
    """The modelled temperature at a point, now; 400 when the coordinates are not on Earth."""
    try:
        latitude = _coordinate(request, "latitude", 90)
        longitude = _coordinate(request, "longitude", 180)
    except ValueError as error:
        return JsonResponse({"error": str(error)}, status=400)
    elevation = elevation_at(latitude, longitude)
    return JsonResponse({"temperature": temperature(latitude, longitude, elevation, timezone.now())})


def _coordinate(request: HttpRequest, name: str, limit: float) -> float:
    text = request.GET.get(name, "")
    try:
        value = float(text)
    except ValueError:
        raise ValueError(f"{name} must be a number, not {text!r}.") from None
    if not isfinite(value) or abs(value) > limit:
        raise ValueError(f"{name} must be between -{limit} and {limit} degrees.")
    return value
