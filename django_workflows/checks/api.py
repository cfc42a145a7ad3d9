"""Checks of the REST API, where it is mounted. Nothing of REST framework is imported where it is not."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

from django.apps import apps
from django.core.checks import CheckMessage, Error, Warning
from django.core.exceptions import ImproperlyConfigured
from django.urls import URLPattern, URLResolver, get_resolver
from django.utils.module_loading import import_string

from .. import conf
from ..core.excerpts import one_line, preview

_CHANGING = {"post", "put", "patch", "delete"}
_NEEDED = ("rest_framework", "django_filters")


def check_api(**kwargs: Any) -> list[CheckMessage]:
    """E040: open to everybody; W041: may be read by everybody; E042: a wrong path; W043: missing apps."""
    return [*_wrong_paths(), *_open_views()]


def _wrong_paths() -> Iterator[CheckMessage]:
    try:
        found = {"API_VISIBLE": (conf.settings.API_VISIBLE,), "API_PERMISSION_CLASSES": ()}
        # The default ones need the extra, which need not be there.
        if "API_PERMISSION_CLASSES" in conf.user_settings():
            found["API_PERMISSION_CLASSES"] = conf.settings.API_PERMISSION_CLASSES
    except ImproperlyConfigured:
        return
    for key, path in ((key, path) for key, paths in found.items() for path in paths):
        wrong = "" if path is None else _wrong_path(key, path)
        if wrong:
            yield Error(
                f"DJANGO_WORKFLOWS: {key} names {preview(path)}, which {wrong}",
                hint="Write the dotted path of a function, or of a permission class.",
                id="django_workflows.E042",
            )


def _wrong_path(key: str, path: Any) -> str:
    """Why nothing can be done with what a setting names; "" if something can."""
    try:
        named = import_string(path) if isinstance(path, str) else path
    except (ImportError, ValueError, TypeError) as error:
        return f"cannot be imported: {one_line(str(error), 200)}"
    if not callable(named):
        return "is no function"
    if key == "API_VISIBLE":
        return ""
    try:
        return "" if hasattr(named(), "has_permission") else "is no permission class"
    except Exception:  # noqa: BLE001 - what a project names may raise anything
        return "is no permission class"


def _open_views() -> Iterator[CheckMessage]:
    # Who mounts the API has imported it; checks of addresses that fail to import are Django's.
    try:
        patterns = list(_patterns(get_resolver().url_patterns, ""))
    except Exception:  # noqa: BLE001 - a project's URLs may raise anything, and are looked at by Django's own checks
        return
    module = sys.modules.get("django_workflows.api.requests")
    if module is None:
        return
    views = {path: view for path, view in patterns if issubclass(getattr(view, "cls", object), module.WorkflowsView)}
    if views:
        yield from _missing_apps()
    reported: set[tuple[type, bool]] = set()
    for path, view in views.items():
        changes = not _CHANGING.isdisjoint(set(view.actions) & set(view.cls.http_method_names))
        if (view.cls, changes) not in reported and _is_open(view):
            reported.add((view.cls, changes))
            yield _complaint(path, view.cls, changes)


def _patterns(found: Any, prefix: str) -> Iterator[tuple[str, Any]]:
    for each in found:
        path = prefix + str(each.pattern)
        if isinstance(each, URLResolver):
            yield from _patterns(each.url_patterns, path)
        elif isinstance(each, URLPattern):
            yield path, each.callback


def _is_open(view: Any) -> bool:
    """Whether nothing, or ``AllowAny``, guards it; classes of the project's own are its own decision."""
    try:
        permissions = view.cls(**view.initkwargs).get_permissions()
    except Exception:  # noqa: BLE001 - nothing can be asked of what cannot be made; E001 and E042 say why
        return False
    kinds = {f"{type(each).__module__}.{type(each).__qualname__}" for each in permissions}
    return kinds <= {"rest_framework.permissions.AllowAny"}


def _complaint(path: str, view: type, changes: bool) -> CheckMessage:
    hint = "Remove permission_classes from the view, or name classes that look at the user."
    name = f"{view.__module__}.{view.__qualname__}"
    if changes:
        text = f"Everybody may change workflows: {name}, mounted at {path!r}, has no permission classes."
        return Error(text, hint=hint, id="django_workflows.E040")
    text = f"Everybody may look at workflows: {name}, mounted at {path!r}, has no permission classes."
    return Warning(text, hint=hint, id="django_workflows.W041")


def _missing_apps() -> Iterator[CheckMessage]:
    missing = [name for name in _NEEDED if not apps.is_installed(name)]
    if missing:
        yield Warning(
            f"The API is mounted, but {' and '.join(missing)} not in INSTALLED_APPS: browsers get an error page.",
            hint='Add "rest_framework" and "django_filters", or leave the browsable API out of REST_FRAMEWORK\'s '
            "DEFAULT_RENDERER_CLASSES.",
            id="django_workflows.W043",
        )
