"""URLs of the admin, and what its pages say, without their markup."""

import html
import re
from typing import Any

from django.test import Client
from django.urls import reverse

LIST = "/admin/django_workflows/workflow/"


def url(name: str, *args: Any) -> str:
    return reverse(f"admin:django_workflows_workflow_{name}", args=args)


def page_of(workflow_id: Any) -> str:
    return url("change", workflow_id)


def words(markup: str) -> str:
    """The text of a page, its white space made one blank each."""
    without = re.sub(r"<(script|style|svg)\b.*?</\1>|<[^>]*>", " ", markup, flags=re.DOTALL)
    return " ".join(html.unescape(without).split())


def text(client: Client, address: str, **query: str) -> str:
    """What a page says; it must be there."""
    response = client.get(address, query)
    assert response.status_code == 200, response
    return words(response.content.decode())


def markup(client: Client, address: str, **query: str) -> str:
    response = client.get(address, query)
    assert response.status_code == 200, response
    return response.content.decode()


def confirm(client: Client, workflow_id: Any, action: str, **data: Any) -> str:
    """Do something to a workflow as the form would; what the page says after it."""
    response = client.post(url("act", workflow_id, action), {"confirmed": "1", **data}, follow=True)
    assert response.status_code == 200
    return words(response.content.decode())
