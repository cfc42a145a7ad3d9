"""schemathesis against the running server, as anonymous, as a user, and as staff: every answer is as documented.

``DJANGO_WORKFLOWS_FUZZ_EXAMPLES`` says how many requests each address gets from each of them; the default keeps the
suite short.
"""

import os
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest
import schemathesis
from django.contrib.auth.models import User
from hypothesis import HealthCheck, Phase, settings
from schemathesis.specs.openapi import checks as openapi_checks

from django_workflows.api.openapi import document
from tests.api.conftest import ALL, make_user
from tests.api.server import Server
from tests.app.api_workflows import order, quick
from tests.app.workflows import asks_approval, fails, sums
from tests.engine.driver import finish, run
from tests.waiting import PATIENCE

EXAMPLES = int(os.environ.get("DJANGO_WORKFLOWS_FUZZ_EXAMPLES", "8"))
#: pydantic takes "1" for an int, as a schema does not; and what fits the schema may be refused for how things stand.
EXCLUDED = [
    openapi_checks.negative_data_rejection,
    openapi_checks.positive_data_acceptance,
    openapi_checks.ignored_auth,  # the permission matrix looks at that; here the client's own login is replaced
]
ROLES = {"anonymous": None, "user": (), "staff": ALL}

known: list[UUID] = []
schema = schemathesis.openapi.from_dict(document("/api/"))


@schema.hook
def map_path_parameters(context: Any, path_parameters: dict[str, Any] | None) -> dict[str, Any] | None:
    """Most requests are about workflows that there are."""
    if path_parameters and "id" in path_parameters and known:
        number = sum(str(path_parameters["id"]).encode()) % (len(known) + 1)
        if number < len(known):
            path_parameters["id"] = str(known[number])
    return path_parameters


@pytest.fixture(scope="module")
def server(django_db_setup: None, tmp_path_factory: pytest.TempPathFactory, django_db_blocker: Any) -> Iterator[Server]:
    with django_db_blocker.unblock():
        started = Server(
            tmp_path_factory.mktemp("server") / "server.log", {"API_STREAM_SECONDS": 0.1, "API_MAX_WAIT": 0.1}
        )
    yield started
    started.close()


@pytest.fixture(autouse=True)
def some(engine: None) -> Iterator[None]:
    """Workflows in every state."""
    known[:] = [quick.start(), sums.start([1, 2]), fails.start("x")]
    for found in known[1:]:
        finish(found)
    known.extend([order.start([]), asks_approval.start()])
    run()
    yield
    known.clear()


@pytest.fixture(params=ROLES)
def auth(request: pytest.FixtureRequest) -> tuple[str, str] | None:
    permissions = ROLES[request.param]
    if permissions is None:
        return None
    user: User = make_user(*permissions, is_staff=request.param == "staff")
    return user.username, "x"


@schema.parametrize()
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
def test_every_answer_is_as_documented(case: Any, server: Server, auth: tuple[str, str] | None) -> None:
    response = case.call(base_url=server.url, auth=auth, timeout=PATIENCE)
    case.validate_response(response, excluded_checks=EXCLUDED)
    let_in = (*range(400, 500),) if "/hooks/" in case.operation.path else (401, 403, 404, 405, 406)
    assert auth is not None or response.status_code in let_in
