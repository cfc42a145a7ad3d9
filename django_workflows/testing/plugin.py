"""The pytest plugin: one fixture. Nothing of Django is imported before a test asks for it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from .tester import WorkflowTester


@pytest.fixture
def workflows() -> Iterator[WorkflowTester]:
    """Run workflows in this test, with fakes and a clock to move; see ``django_workflows.testing.WorkflowTester``.

    Ask for the database as well: ``db`` or ``transactional_db``.
    """
    from .tester import WorkflowTester

    with WorkflowTester() as tester:
        yield tester
