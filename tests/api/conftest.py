"""The API's tests: work is done in this process, on a real database; clients are outside of it or REST framework's."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.core.cache import cache
from rest_framework.test import APIClient

from django_workflows.engine.live import live_handlers
from tests.app import steps
from tests.engine.replays import assert_all_replay

ALL = (
    "view_workflow",
    "view_payload",
    "start_workflow",
    "cancel_workflow",
    "restart_workflow",
    "send_event",
    "cleanup_workflow",
)
Clients = Callable[..., APIClient]


@pytest.fixture(autouse=True)
def engine(transactional_db: None) -> Iterator[None]:
    steps.calls.clear()
    live_handlers.clear()
    cache.clear()
    yield
    try:
        assert_all_replay()
    finally:
        live_handlers.clear()


def make_user(*permissions: str, **fields: Any) -> User:
    user = User.objects.create_user(f"user-{User.objects.count()}", password="x", **fields)
    user.user_permissions.set(
        Permission.objects.filter(codename__in=permissions, content_type__app_label="django_workflows")
    )
    assert user.user_permissions.count() == len(permissions)
    return user


@pytest.fixture
def client_of() -> Clients:
    """A client of a new user with these permissions."""

    def make(*permissions: str, **fields: Any) -> APIClient:
        client = APIClient()
        client.force_authenticate(make_user(*permissions, **fields))
        return client

    return make


@pytest.fixture
def client(client_of: Clients) -> APIClient:
    """A client of a user who may do everything."""
    return client_of(*ALL)
