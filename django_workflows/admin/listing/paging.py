"""Pages of a list without counting all of it."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from django.core.paginator import Paginator

from ...models import Workflow

#: Counting stops here; what is further down is found by filters and search.
MOST = 5_000


if TYPE_CHECKING:
    Base = Paginator[Workflow]
else:
    Base = Paginator


class BoundedPaginator(Base):
    """A paginator that knows of the first ``MOST`` rows only."""

    @cached_property
    def counted(self) -> int:
        rows: Any = self.object_list
        # The latest, as the list has them: in no order PostgreSQL would look for them in the whole table.
        found: int = rows.order_by("-id")[: MOST + 1].count()
        return found

    @property
    def is_cut(self) -> bool:
        """Whether there are more rows than are counted."""
        return self.counted > MOST

    @cached_property
    def count(self) -> int:
        return min(self.counted, MOST)
