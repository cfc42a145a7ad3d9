"""The weather pages: a report is started in the view's transaction, and its state is shown."""

from typing import Any
from uuid import uuid4

import pytest
from django.test import Client

from django_workflows.models import Workflow
from example_project.weather import lookups
from example_project.weather.models import Lookup
from example_project.weather.workflows import weather_report, workflow

pytestmark = pytest.mark.django_db


def test_the_first_page_shows_a_form(client: Client) -> None:
    response = client.get("/")
    assert response.status_code == 200
    assert "Nobody has asked yet" in response.text
    assert 'name="city"' in response.text


@pytest.mark.parametrize("path", ["/", "/admin/login/"])
def test_pages_may_load_from_this_site_only(client: Client, path: str) -> None:
    response = client.get(path)
    assert response.headers["Content-Security-Policy"].startswith("default-src 'self'")
    assert "<style" not in response.text
    assert "style=" not in response.text
    assert "http://" not in response.text.replace("http://www.w3.org", "")


def test_a_post_starts_a_report_and_shows_it(client: Client) -> None:
    response = client.post("/", {"city": "Paris"})
    lookup = Lookup.objects.get()
    assert response.status_code == 302
    assert response.headers["Location"] == f"/reports/{lookup.workflow_id}/"
    assert workflow.status(lookup.workflow_id).type == "in_progress"
    page = client.get(response.headers["Location"]).text
    assert "Paris" in page
    assert "in progress" in page


def test_a_report_without_a_city_is_not_started(client: Client) -> None:
    response = client.post("/", {"city": "  "})
    assert response.status_code == 200
    assert "This field is required" in response.text
    assert not Workflow.objects.exists()


def test_a_start_is_undone_with_the_transaction_of_the_view(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(**values: Any) -> None:
        assert Workflow.objects.exists()
        raise RuntimeError("the disk is full")

    monkeypatch.setattr(lookups.Lookup.objects, "create", fail)
    with pytest.raises(RuntimeError, match="the disk is full"):
        client.post("/", {"city": "Paris"})
    assert not Workflow.objects.exists()
    assert not Lookup.objects.exists()


def test_the_first_page_lists_the_latest_twenty(client: Client) -> None:
    for number in range(25):
        lookups.start_lookup(f"City {number}")
    page = client.get("/").text
    assert "City 24" in page
    assert "City 5<" in page
    assert "City 4<" not in page
    assert 'http-equiv="refresh"' in page


def test_a_workflow_that_was_started_elsewhere_is_listed_too(client: Client) -> None:
    workflow_id = weather_report.start(location="Paris")
    assert str(workflow_id) in client.get("/").text
    assert client.get(f"/reports/{workflow_id}/").status_code == 200


def test_an_unknown_report_is_not_found(client: Client) -> None:
    assert client.get(f"/reports/{uuid4()}/").status_code == 404
