"""What to write in place of a value that cannot be stored, for the types that people pass most."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import Enum
from functools import lru_cache
from typing import Any

from .excerpts import preview
from .plain_json import MAX_DEPTH, SCALARS, Path
from .round_trip import parts_of
from .unfit import Unfit

_RUN_IN_STEP = "call it in the step function, and pass what it needs"

#: The type of problems of model instances, whose codec knows best what is wrong.
MODEL_INSTANCE = "model_instance"
#: By the dotted name of a class or one of its bases: this part of the package knows no Django.
_ADVICE: Mapping[str, str] = {
    "django.utils.functional.Promise": (
        "is a lazy text, which differs by language: pass str(value) where the right language is active, or a key that "
        "the step translates"
    ),
    "django.utils.functional.LazyObject": "is a lazy object: pass what is behind it, str(value) of a text for example",
    "django.utils.datastructures.MultiValueDict": (
        "may hold several values under one key: pass value.dict(), or dict(value.lists())"
    ),
    "django.db.models.query.QuerySet": (
        "is a query: pass the primary keys, list(queryset.values_list('pk', flat=True)), and read the rows in the step"
    ),
    "django.db.models.manager.BaseManager": "is a manager: use it in the step function",
    "django.contrib.auth.models.AnonymousUser": "is nobody in the database: pass None, annotated User | None",
    "django.core.files.base.File": "is a file: save it to a storage, and pass its name",
    "django.db.models.fields.files.FieldFile": "is a file: pass its name",
    "_io._IOBase": "is an open file, which another process does not have: pass its path",
    "django.http.request.HttpRequest": "is a request: pass what the workflow needs of it",
    "builtins.coroutine": "is a coroutine that nobody awaited: await it, and pass its result",
    "_asyncio.Future": "is the future of something that has not ended: await it, and pass its result",
    "asyncio.futures.Future": "is the future of something that has not ended: await it, and pass its result",
    "builtins.generator": "can be read only once: pass list(value)",
    "builtins.async_generator": "can be read only once: pass [item async for item in value]",
    "builtins.map": "can be read only once: pass list(value)",
    "builtins.filter": "can be read only once: pass list(value)",
    "builtins.zip": "can be read only once: pass list(value)",
    "builtins.range": "is a range: pass list(value), or its ends",
    "builtins.function": f"is a function: {_RUN_IN_STEP}",
    "builtins.method": f"is a method: {_RUN_IN_STEP}",
    "builtins.builtin_function_or_method": f"is a function: {_RUN_IN_STEP}",
    "functools.partial": f"is a function: {_RUN_IN_STEP}",
    "builtins.type": "is a class: pass its name, and look it up in the step function",
    "builtins.module": "is a module: import it in the step function",
    "builtins.memoryview": "is a view of bytes: pass bytes(value), annotated bytes",
    "builtins.bytearray": "can change: pass bytes(value), annotated bytes",
    "builtins.mappingproxy": "is a view of a dict: pass dict(value)",
    "builtins.dict_keys": "is a view of a dict: pass list(value)",
    "builtins.dict_values": "is a view of a dict: pass list(value)",
    "builtins.BaseException": "is an exception: pass str(value), or what the step needs of it",
    "datetime.timezone": "is an offset: pass a ZoneInfo, annotated ZoneInfo, or an aware datetime",
    "numpy.ndarray": "is an array: pass value.tolist(), or where it is saved",
    "numpy.generic": "is a scalar of numpy: pass value.item()",
    "pandas.core.frame.DataFrame": "is a table: save it, and pass where",
}


def advice(value: Any) -> str | None:
    """What a value is and what to pass in its place; ``None`` where nothing is known, or nothing is wrong."""
    if isinstance(value, Enum) and not isinstance(value, (str, int)) and type(value.value) not in (*SCALARS, dict):
        cls = type(value).__name__
        return (
            f"has a value that JSON changes ({type(value.value).__name__}): pass its name, value.name, and take "
            f"{cls}[name] in the step, or give {cls} texts or numbers as values"
        )
    kind: Any = type(value)
    return _advice_of_type(kind)


@lru_cache(maxsize=1024)
def _advice_of_type(cls: Any) -> str | None:
    paths = (f"{each.__module__}.{each.__qualname__}" for each in cls.__mro__)
    return next((_ADVICE[path] for path in paths if path in _ADVICE), None)


def find_misfit(value: Any) -> Unfit | None:
    """The first part of a value about which there is ``advice``, and where it is; ``None`` if there is none."""
    try:
        return next(_misfits(value, (), 0), None)
    except Exception:  # noqa: BLE001 - a user's class may do anything
        return None


def explained(value: Any, error: Exception) -> Unfit:
    """Why a value cannot travel, with what to write in its place where that is known."""
    own = Unfit.of(error)
    misfit = None if own.problems[0]["type"] == MODEL_INSTANCE else find_misfit(value)
    if misfit is None:
        return own
    ours, theirs = misfit.problems[0]["loc"], own.problems[0]["loc"]
    shared = min(len(ours), len(theirs))
    return misfit if ours[:shared] == theirs[:shared] else own


def _misfits(value: Any, path: Path, depth: int) -> Iterator[Unfit]:
    if type(value) in SCALARS or depth > MAX_DEPTH:
        return
    said = advice(value)
    if said is not None:
        yield Unfit(path, f"{preview(value)} ({type(value).__name__}) {said}", "not_json")
        return
    for key, part in _inside(value):
        yield from _misfits(part, (*path, key), depth + 1)


def _inside(value: Any) -> Iterator[tuple[str | int, Any]]:
    if isinstance(value, dict):
        return ((key if isinstance(key, (str, int)) else str(key), part) for key, part in value.items())
    if isinstance(value, (list, tuple, set, frozenset)):
        return iter(enumerate(value))
    return iter(parts_of(value) or ())
