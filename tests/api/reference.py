"""Makes ``docs/reference/rest-api.md`` from the schema.

``DJANGO_SETTINGS_MODULE=tests.settings python -m tests.api.reference``
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django_workflows.api.serializers import EventSerializer, StartSerializer

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "rest-api.md"
HEAD = """# REST API

Made from the OpenAPI 3.1 document that `GET api/schema/` answers; addresses are relative to where the API is mounted.
[How to](../how-to/rest-api.md) says who may do what, and what errors look like: every answer from 400 on is
`application/problem+json`. Beside these, `GET` of the mounted address itself lists what there is.
"""
COMMON = {"401", "403", "406", "415", "429", "503"}
#: Components that depend on the project's workflows.
OWN = ("WorkflowStart.", "WorkflowSend.")


def page(document: dict[str, Any]) -> str:
    """The whole page."""
    parts = [HEAD, "## Addresses\n", *_table(document)]
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            parts += _operation(path.removeprefix("/api/"), method, operation)
    parts += ["## Bodies\n", "Unknown keys are errors.\n"]
    for name, serializer in (("WorkflowStart", StartSerializer), ("WorkflowSend", EventSerializer)):
        parts += _body(name, serializer())
    parts += ["## Documents\n", "All keys of an answer are always there; `any` is any JSON value.\n"]
    for name, schema in sorted(document["components"]["schemas"].items()):
        if name.startswith("Workflow") and not name.startswith(OWN) and "properties" in schema:
            parts += _component(name, schema)
    parts += _words(document)
    return "\n".join(parts).rstrip() + "\n"


def _table(document: dict[str, Any]) -> Iterator[str]:
    yield "| | does | answers |\n|---|---|---|"
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            codes = " ".join(sorted(code for code in operation["responses"] if code not in COMMON))
            first = operation["description"].partition("\n")[0]
            yield f"| `{method.upper()} {path.removeprefix('/api/')}` | {first} | {codes} |"
    yield "\nAny of them also answers 401 or 403, 406, 429, and 503 when the database does not answer.\n"


def _operation(path: str, method: str, operation: dict[str, Any]) -> Iterator[str]:
    yield f"### {method.upper()} {path}\n"
    yield operation["description"] + "\n"
    if parameters := [each for each in operation.get("parameters", []) if each["in"] != "path"]:
        yield "| parameter | is | |\n|---|---|---|"
        for each in parameters:
            where = "header" if each["in"] == "header" else ""
            yield f"| `{each['name']}` | {_type(each['schema'])} {where} | {each.get('description', '')} |"
        yield ""
    if body := operation.get("requestBody"):
        yield f"Body: {_type(body['content']['application/json']['schema'])}\n"
    for code, answer in sorted(operation["responses"].items()):
        if code not in COMMON or (code == "503" and "/health" in f"/{path}"):
            kinds = [f"{_type(content['schema'])}" for content in answer.get("content", {}).values()]
            shown = "" if code >= "400" and code != "503" else "".join(f": {kind}" for kind in kinds)
            yield f"- **{code}** {answer['description'].rstrip('.') or 'OK'}{shown}"
    yield ""


def _body(name: str, serializer: Any) -> Iterator[str]:
    yield f"### {name}\n"
    yield serializer.__doc__.replace("``", "`") + "\n"
    yield "| key | |\n|---|---|"
    for key, field in serializer.fields.items():
        yield f"| `{key}` | {field.help_text or 'Its name.'}{' Required.' if field.required else ''} |"
    yield ""


def _component(name: str, schema: dict[str, Any]) -> Iterator[str]:
    yield f"### {name}\n"
    if description := schema.get("description"):
        yield description + "\n"
    yield "| key | is | |\n|---|---|---|"
    for key, value in schema["properties"].items():
        yield f"| `{key}` | {_type(value)} | {value.get('description', '')} |"
    yield ""


def _words(document: dict[str, Any]) -> Iterator[str]:
    yield "## Words\n"
    yield "| | is one of |\n|---|---|"
    for name, schema in sorted(document["components"]["schemas"].items()):
        if name.startswith("Workflow") and "enum" in schema:
            yield f"| {name} | {', '.join(f'`{word}`' for word in schema['enum'])} |"


def _type(schema: dict[str, Any]) -> str:
    if "$ref" in schema:
        return str(schema["$ref"].rpartition("/")[2].replace("Paginated", "page of ").replace("List", ""))
    for joint in ("anyOf", "oneOf"):
        if joint in schema:
            return " or ".join(dict.fromkeys(_type(each) for each in schema[joint]))
    kinds = schema.get("type", "any")
    kinds = [kinds] if isinstance(kinds, str) else kinds
    return " or ".join(_named(kind, schema) for kind in kinds)


def _named(kind: str, schema: dict[str, Any]) -> str:
    if kind == "array":
        return f"list of {_type(schema['items'])}"
    if kind == "object" and isinstance(inner := schema.get("additionalProperties"), dict):
        return f"object of {_type(inner)}"
    if kind == "object" and "properties" in schema:
        return "object: " + ", ".join(f"`{key}`" for key in schema["properties"])
    return (
        {"uuid": "id", "date-time": "instant", "uri": "address"}.get(schema.get("format", ""), kind)
        if (kind == "string")
        else kind
    )


if __name__ == "__main__":
    import django

    django.setup()
    from django_workflows.api.openapi import document

    PAGE.write_text(page(document("/api/")), encoding="utf-8")
