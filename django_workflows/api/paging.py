"""Pages by cursor: each begins where the last one ended, whatever was added or deleted meanwhile."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django.db.models import DateTimeField, F, Q, Value
from django.db.models.functions import Coalesce
from rest_framework.pagination import BasePagination
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.utils.urls import replace_query_param

from ..conf import settings
from .problems import BadInput, parameter_error

#: What has not happened yet sorts as if it happened after everything else.
_NEVER = datetime(9999, 1, 1, tzinfo=UTC)
_CURSOR_LIMIT = 500


@dataclass(frozen=True)
class Order:
    """One way to sort: by ``field`` and, where that is not unique, by ``tie`` after it. ``read`` checks a position."""

    field: str
    read: Any
    write: Any = str
    tie: str | None = None

    def key(self) -> Any:
        if self.tie is None:
            return F(self.field)
        return Coalesce(F(self.field), Value(_NEVER), output_field=DateTimeField())


def _instant(text: Any) -> datetime:
    found = datetime.fromisoformat(text)
    if found.tzinfo is None:
        raise ValueError("naive")
    return found.astimezone(UTC)  # what is before the first year there, or after the last, no database takes


def _number(value: Any) -> int:
    if type(value) is not int or not 0 <= value < 2**31:
        raise ValueError("no number")
    return value


_BY_ID = Order("id", UUID)
_BY_NUMBER = Order("number", _number, write=int)


def _by_instant(field: str) -> Order:
    return Order(field, _instant, write=datetime.isoformat, tie="id")


class CursorPagination(BasePagination):
    """``cursor``, ``page_size`` and ``ordering``; answers with ``next``, ``previous`` (addresses or null), ``results``.

    Ids sort by the time of creation.
    """

    orders: Mapping[str, Order] = {
        "created_at": _BY_ID,
        "started_at": _by_instant("started_at"),
        "finished_at": _by_instant("finished_at"),
    }
    default = "-created_at"
    parameters = ("cursor", "page_size", "ordering")

    def paginate_queryset(self, queryset: Any, request: Request, view: Any = None) -> list[Any]:
        self._request = request
        size = self._size(request)
        ordering = self._ordering(request)
        order, descending = self.orders[ordering.lstrip("-")], ordering.startswith("-")
        backward, position = self._cursor(request, order)
        if order.tie:
            queryset = queryset.annotate(_position=order.key())
        fields = ("_position", order.tie) if order.tie else (order.field,)
        down = descending != backward
        if position is not None:
            queryset = queryset.filter(_beyond(fields, position, down))
        rows = list(queryset.order_by(*(f"-{field}" if down else field for field in fields))[: size + 1])
        more, rows = len(rows) > size, rows[:size]
        if backward:
            rows.reverse()
        after = (more or backward) and bool(rows)
        before = (more if backward else position is not None) and bool(rows)
        self._next = self._link(order, fields, rows[-1], backward=False) if after else None
        self._previous = self._link(order, fields, rows[0], backward=True) if before else None
        return rows

    def get_paginated_response(self, data: Any) -> Response:
        return Response({"next": self._next, "previous": self._previous, "results": data})

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        link = {"type": ["string", "null"], "format": "uri"}
        return {
            "type": "object",
            "required": ["next", "previous", "results"],
            "properties": {"next": link, "previous": link, "results": schema},
        }

    def get_schema_operation_parameters(self, view: Any) -> list[dict[str, Any]]:
        ways = [sign + name for name in self.orders for sign in ("", "-")]
        return [
            _parameter("cursor", {"type": "string"}, "Where the page begins, from `next` or `previous` of another."),
            _parameter("page_size", {"type": "integer", "minimum": 1}, "How many rows at the most."),
            _parameter("ordering", {"type": "string", "enum": ways, "default": self.default}, "How they are sorted."),
        ]

    def _size(self, request: Request) -> int:
        text = request.query_params.get("page_size")
        if text is None:
            return int(min(settings.API_PAGE_SIZE, settings.API_MAX_PAGE_SIZE))
        if not (text.isascii() and text.isdecimal() and 0 < len(text) <= 9 and int(text)):
            raise BadInput([parameter_error("page_size", "A number of at least 1 is needed.")])
        return int(min(int(text), settings.API_MAX_PAGE_SIZE))

    def _ordering(self, request: Request) -> str:
        wanted = request.query_params.get("ordering", self.default)
        if wanted.removeprefix("-") not in self.orders:
            names = ", ".join(self.orders)
            raise BadInput([parameter_error("ordering", f"There are {names}, each also with a minus before it.")])
        return wanted

    def _cursor(self, request: Request, order: Order) -> tuple[bool, tuple[Any, ...] | None]:
        text = request.query_params.get("cursor")
        if not text:
            return False, None
        try:
            if len(text) > _CURSOR_LIMIT:
                raise ValueError("too long")
            backward, *position = json.loads(base64.urlsafe_b64decode(text.encode("ascii") + b"=="))
            readers = (order.read, UUID) if order.tie else (order.read,)
            if not isinstance(backward, bool):
                raise TypeError("no cursor")
            return backward, tuple(read(part) for read, part in zip(readers, position, strict=True))
        except (ValueError, TypeError, AttributeError, OverflowError, binascii.Error, RecursionError):
            raise BadInput([parameter_error("cursor", "This is no cursor of this list and this order.")]) from None

    def _link(self, order: Order, fields: Sequence[str], row: Any, *, backward: bool) -> str:
        values = [row[field] if isinstance(row, Mapping) else getattr(row, field) for field in fields]
        position = [order.write(values[0]), *map(str, values[1:])]
        token = base64.urlsafe_b64encode(json.dumps([backward, *position]).encode()).decode().rstrip("=")
        return replace_query_param(self._request.build_absolute_uri(), "cursor", token)


def _beyond(fields: Sequence[str], position: Sequence[Any], down: bool) -> Q:
    """Rows after a position: further in the first field, or equal there and further in the second."""
    sign = "lt" if down else "gt"
    found = Q(**{f"{fields[0]}__{sign}": position[0]})
    if len(fields) > 1:
        found |= Q(**{fields[0]: position[0], f"{fields[1]}__{sign}": position[1]})
    return found


def _parameter(name: str, schema: dict[str, Any], description: str) -> dict[str, Any]:
    return {"name": name, "in": "query", "required": False, "schema": schema, "description": description}


class StepPagination(CursorPagination):
    """Steps by their number."""

    orders = {"number": _BY_NUMBER}
    default = "number"


class EventPagination(CursorPagination):
    """Events by the time of their creation."""

    orders = {"created_at": _BY_ID}
    default = "created_at"
