"""The OpenAPI document: valid, complete, without a warning, and true of what clients are told elsewhere."""

from typing import Any

import jsonschema
import pytest
from django.urls import URLPattern
from drf_spectacular.drainage import GENERATOR_STATS
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.settings import patched_settings
from drf_spectacular.validation import validate_schema
from rest_framework.test import APIClient

from django_workflows.api.openapi import document
from django_workflows.api.urls import urlpatterns
from tests.api.conftest import Clients

ORDER = "tests.app.api_workflows.order"


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    return document("/api/")


def valid(schema: dict[str, Any], component: str, value: Any) -> bool:
    whole = {"$ref": f"#/components/schemas/{component}", "components": schema["components"]}
    return jsonschema.Draft202012Validator(whole).is_valid(value)


def test_it_is_valid_openapi_31_without_a_warning(capsys: pytest.CaptureFixture[str]) -> None:
    document.cache_clear()
    GENERATOR_STATS.reset()
    found = document("/api/")
    assert not GENERATOR_STATS
    validate_schema(found)
    assert found["openapi"] == "3.1.0"
    assert capsys.readouterr().err == ""


def test_it_is_valid_as_a_part_of_a_project(settings: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """As the project's own schema view would make it, whatever its DEFAULT_SCHEMA_CLASS."""
    GENERATOR_STATS.reset()
    with patched_settings({"OAS_VERSION": "3.1.0"}):
        found = SchemaGenerator().get_schema(public=True)  # type: ignore[no-untyped-call]
    assert not GENERATOR_STATS
    validate_schema(found)
    assert "/api/workflows/{id}/" in found["paths"]
    assert capsys.readouterr().err == ""


def test_every_address_is_in_it(schema: dict[str, Any]) -> None:
    actions = set()
    for pattern in urlpatterns:
        assert isinstance(pattern, URLPattern)
        actions |= {
            (pattern.name, method)
            for method in pattern.callback.actions
            if method != "head"  # type: ignore[attr-defined]
        }
    described = [(path, method) for path, methods in schema["paths"].items() for method in methods]
    assert len(described) == len(actions) - 2  # the index and the document itself
    identities = [operation["operationId"] for methods in schema["paths"].values() for operation in methods.values()]
    assert len(identities) == len(set(identities))
    for operation in [each for methods in schema["paths"].values() for each in methods.values()]:
        assert operation["description"]
        for code, answer in operation["responses"].items():
            if code >= "400" and not (operation["operationId"] == "getHealth" and code == "503"):
                assert list(answer["content"]) == ["application/problem+json"]


def test_starts_are_a_union_discriminated_by_name(schema: dict[str, Any]) -> None:
    union = schema["components"]["schemas"]["WorkflowStart"]
    assert union["discriminator"]["propertyName"] == "name"
    mapping = union["discriminator"]["mapping"]
    assert mapping[ORDER] == f"#/components/schemas/WorkflowStart.{ORDER}"
    assert not any(name.endswith("secret") for name in mapping)
    assert {ref["$ref"] for ref in union["oneOf"]} == set(mapping.values())


@pytest.mark.parametrize(
    ("args", "code"),
    [
        ({"items": [{"name": "tea", "size": "large", "price": 1.5}]}, 201),
        ({"items": [], "address": {"city": "Paris", "lines": ["a"]}, "due": "2026-01-01T00:00:00Z"}, 201),
        ({"items": [{"size": "large"}]}, 400),
        ({"items": [{"name": "tea", "size": "huge"}]}, 400),
        ({"items": "tea"}, 400),
        ({}, 400),
        ({"items": [], "more": 1}, 400),
    ],
)
def test_the_schema_says_what_the_server_does(
    client: APIClient, schema: dict[str, Any], args: dict[str, Any], code: int
) -> None:
    body = {"name": ORDER, "args": args}
    assert client.post("/api/workflows/", body, format="json").status_code == code
    assert valid(schema, "WorkflowStart", body) == (code == 201)


@pytest.mark.parametrize(
    ("body", "fits"),
    [
        ({"name": "api payment", "value": {"kind": "paid", "amount": 1}}, True),
        ({"name": "api payment", "value": {"kind": "paid", "amount": -1}}, False),
        ({"name": "api payment", "error": "gave up"}, True),
        ({"name": "some other", "value": {"a": 1}}, True),
        ({"event_id": "019aa000-0000-7000-8000-000000000000", "value": 1}, True),
        ({"name": "a", "event_id": "019aa000-0000-7000-8000-000000000000"}, False),
        ({"name": "a", "value": 1, "error": "b"}, False),
        ({}, False),
    ],
)
def test_events_are_typed(schema: dict[str, Any], body: dict[str, Any], fits: bool) -> None:
    assert valid(schema, "WorkflowSend", body) == fits


def test_a_project_without_exposed_workflows(schema: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("django_workflows.api.inputs.exposed", lambda: iter(()))
    document.cache_clear()
    try:
        validate_schema(document("/other/"))
    finally:
        document.cache_clear()


def test_it_is_served_to_those_who_may_look(client_of: Clients) -> None:
    client = client_of("view_workflow")
    assert client.get("/api/schema/").json()["openapi"] == "3.1.0"
    text = client.get("/api/schema/", headers={"Accept": "application/vnd.oai.openapi"}).content.decode()
    assert text.startswith("openapi: 3.1.0")
    assert client.get("/api/schema/?format=yaml").content.decode() == text
    refused = client_of().get("/api/schema/", headers={"Accept": "application/vnd.oai.openapi"})
    assert (refused.status_code, refused.json()["code"]) == (403, "permission_denied")


def test_the_reference_is_made_from_it(schema: dict[str, Any]) -> None:
    from tests.api import reference

    made = reference.page(schema)
    assert reference.PAGE.read_text(encoding="utf-8") == made, (
        "run: DJANGO_SETTINGS_MODULE=tests.settings python -m tests.api.reference"
    )
