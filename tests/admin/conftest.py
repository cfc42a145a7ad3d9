"""Admin tests: a real database, workflows that run in this process, and users with all, some or one permission."""

import itertools
from collections.abc import Callable, Iterator

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.test import Client

from django_workflows.engine.live import live_handlers
from tests.app import callbacks, steps
from tests.engine.replays import assert_all_replay


@pytest.fixture(autouse=True)
def engine(transactional_db: None, request: pytest.FixtureRequest) -> Iterator[None]:
    """An engine without memories, on a database of its own."""
    steps.calls.clear()
    steps.hooks.clear()
    callbacks.failing.clear()
    callbacks.went_well.clear()
    live_handlers.clear()
    yield
    try:
        if request.node.get_closest_marker("by_hand") is None:
            assert_all_replay()
    finally:
        steps.hooks.clear()
        live_handlers.clear()


@pytest.fixture
def login() -> Callable[..., Client]:
    """``login("view_workflow", "cancel_workflow")``: a client of a user of the staff with these permissions."""

    numbers = itertools.count(1)

    def make(*permissions: str) -> Client:
        user = get_user_model().objects.create_user(f"user {next(numbers)}", is_staff=True)
        user.user_permissions.set(
            Permission.objects.filter(content_type__app_label="django_workflows", codename__in=permissions)
        )
        client = Client(raise_request_exception=True)
        client.force_login(user)
        return client

    return make


@pytest.fixture
def chief() -> Client:
    """A client who may do everything."""
    client = Client()
    client.force_login(get_user_model().objects.create_superuser("chief"))
    return client
