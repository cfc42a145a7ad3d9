"""Starting from the admin: the form follows the types, errors come to their field, two clicks start one workflow."""

import json
from typing import Any
from uuid import uuid4

import pytest
from django.test import Client

from django_workflows.admin.schema import SchemaForm
from django_workflows.models import Workflow
from tests.admin.pages import page_of, text, url
from tests.app import workflows as w
from tests.engine.driver import run
from tests.engine.test_mismatches import deployed, original


def start(client: Client, name: str, **data: Any) -> str:
    response = client.post(url("start", name), {"token": str(uuid4()), **data}, follow=True)
    assert response.status_code == 200
    return response.content.decode()


def test_typed_arguments_are_filled_in_field_by_field(chief: Client) -> None:
    data = {"value.when": "2026-01-02T03:04:05", "value.amount": "12.50", "value.ident": str(uuid4())}
    assert "Started." in start(chief, w.typed.name, **data)
    stored = json.loads(Workflow.objects.get().args)
    assert stored["when"].startswith("2026-01-02T03:04:05")
    assert stored["amount"] == "12.50"


def test_what_does_not_fit_is_said_at_its_field(chief: Client) -> None:
    data = {"value.when": "2026-01-02T03:04:05", "value.amount": "much", "value.ident": "not an id"}
    shown = start(chief, w.typed.name, **data)
    assert Workflow.objects.count() == 0
    before, _, after = shown.partition('name="value.amount"')
    assert "errorlist" in before[-900:]
    assert "should be a valid UUID" in after


def test_lists_nested_values_and_defaults(chief: Client) -> None:
    start(chief, w.sums.name, **{"value.numbers": "1\r\n2\r\n\r\n3"})
    start(chief, w.points.name, **{"value.point.x": "1", "value.point.y": "2.5"})
    start(chief, w.fails.name)
    assert [json.loads(each.args) for each in Workflow.objects.order_by("id")] == [
        {"numbers": [1, 2, 3]},
        {"point": {"x": 1, "y": 2.5}},
        {"message": "broken"},
    ]


def test_a_line_that_is_no_number_is_named(chief: Client) -> None:
    assert "Line 2: Enter a whole number." in start(chief, w.sums.name, **{"value.numbers": "1\ntwo"})


def test_untyped_arguments_are_json(chief: Client) -> None:
    assert "This is no JSON" in start(chief, w.echoes.name, **{"value.value": "{nonsense"})
    start(chief, w.echoes.name, **{"value.value": '{"a": [1, null]}'})
    assert json.loads(Workflow.objects.get().args) == {"value": {"a": [1, None]}}


def test_all_arguments_can_be_written_as_json(chief: Client) -> None:
    response = chief.post(f"{url('start', w.sums.name)}?json=1", {"token": str(uuid4()), "value": '{"numbers": [4]}'})
    assert response.status_code == 302
    assert json.loads(Workflow.objects.get().args) == {"numbers": [4]}


def test_pressing_the_button_twice_starts_one(chief: Client) -> None:
    token = str(uuid4())
    for _ in range(2):
        start(chief, w.nothing.name, token=token)
    assert Workflow.objects.count() == 1


def test_another_like_this_begins_with_the_same_arguments(chief: Client) -> None:
    workflow_id = w.points.start(w.steps.Point(3, 4.5))
    shown = chief.get(url("start", w.points.name), {"like": str(workflow_id)}).content.decode()
    assert 'value="3"' in shown
    assert 'value="4.5"' in shown


def test_an_unknown_definition_is_not_found(chief: Client) -> None:
    assert chief.get(url("start", "nobody.knows")).status_code == 404
    assert "tests.app.workflows.sums" in text(chief, url("choose"))


def test_a_name_may_hold_anything(chief: Client) -> None:
    with deployed(original, name="billing/invoice? #2"):
        workflow_id = w.workflow.start("billing/invoice? #2", {})
        run()
        assert "billing/invoice? #2" in text(chief, url("choose"))
        assert "Start another like this" in text(chief, page_of(workflow_id))
        assert "Started." in start(chief, "billing/invoice? #2")
    assert Workflow.objects.count() == 2


# -- forms of schemas


def value_of(schema: dict[str, Any], data: dict[str, Any]) -> Any:
    form = SchemaForm(data, schema)
    assert form.is_valid(), form.errors
    return form.value


UNION = {"anyOf": [{"title": "Yes", "type": "object", "properties": {"ok": {"const": True}, "n": {"type": "integer"}}}]}
UNION["anyOf"].append({"title": "No", "type": "object", "properties": {"ok": {"const": False}}})
ROWS = {"type": "array", "items": {"type": "object", "properties": {"sku": {"type": "string"}}, "required": ["sku"]}}


@pytest.mark.parametrize(
    ("schema", "data", "value"),
    [
        ({"enum": ["red", "green"]}, {"value": '"green"'}, "green"),
        ({"type": "boolean"}, {}, False),
        ({"type": "boolean"}, {"value": "on"}, True),
        ({"anyOf": [{"type": "integer"}, {"type": "null"}]}, {"value": ""}, None),
        ({"type": "string"}, {"value": " two\r\nlines "}, " two\nlines "),
        (UNION, {"value": "0", "value.0.n": "5"}, {"ok": True, "n": 5}),
        (UNION, {"value": "1", "value.0.n": "5"}, {"ok": False}),
        (ROWS, {"value.count": "2", "value.0.sku": "a", "value.1.sku": "b"}, [{"sku": "a"}, {"sku": "b"}]),
        (ROWS, {"value.count": "2", "value.0.sku": "a", "value.0.left_out": "on", "value.1.sku": "b"}, [{"sku": "b"}]),
        ({"type": "object", "additionalProperties": {"type": "integer"}}, {"value": '{"a": 1}'}, {"a": 1}),
        ({"type": "array", "items": {"type": "number"}}, {"value": ""}, []),
    ],
)
def test_a_form_gives_the_json_value(schema: dict[str, Any], data: dict[str, Any], value: Any) -> None:
    assert value_of(schema, data) == value


def test_a_schema_that_contains_itself_ends_in_a_box_for_json() -> None:
    tree = {"type": "object", "properties": {"left": {"$ref": "#/$defs/Tree"}}, "required": ["left"], "title": "Tree"}
    form = SchemaForm(None, {"$ref": "#/$defs/Tree", "$defs": {"Tree": tree}})
    assert len(form.fields) == 1


def test_another_row_is_asked_for_without_scripts() -> None:
    form = SchemaForm({"value.count": "1", "value.0.sku": "a", "_add_row": "value"}, ROWS)
    assert form.asks_for_more
    assert "value.1.sku" in form.fields
