"""Parent and children: side by side, a child that fails, a parent that is canceled."""

from datetime import UTC, datetime
from unittest.mock import call
from uuid import uuid4

import pytest
from django.test import Client

from django_workflows import Canceled, Completed
from django_workflows.testing import NoRest, WorkflowTester, assert_replays
from example_project.countries import steps
from example_project.countries.models import Comparison, CountryMean
from example_project.countries.workflows import compare_countries, country_mean, workflow

pytestmark = pytest.mark.django_db


def test_a_parent_and_its_children(workflows: WorkflowTester) -> None:
    workflow_id = compare_countries.start(["Norway", "Kenya"])
    workflows.run()
    means = {row.country: row.mean for row in CountryMean.objects.all()}
    assert means.keys() == {"Norway", "Kenya"}
    assert means["Norway"] < means["Kenya"]
    assert workflow.status(workflow_id) == Completed(means)
    assert workflows.calls(country_mean) == [call("Norway"), call("Kenya")]
    assert_replays(compare_countries, workflows.history(workflow_id))


def test_an_unknown_country_spoils_nothing(workflows: WorkflowTester) -> None:
    compare_countries.start(["Atlantis", "Peru"])
    workflows.run()
    comparison = Comparison.objects.get()
    assert comparison.problems == {"Atlantis": "There is no city of 'Atlantis' here."}
    assert str(comparison) == "Peru"


def test_a_child_that_is_faked(workflows: WorkflowTester) -> None:
    workflows.fake(country_mean, calls=lambda country: len(country) / 2)
    workflow_id = compare_countries.start(["Peru", "Kenya"])
    workflows.run()
    assert workflow.status(workflow_id) == Completed({"Peru": 2.0, "Kenya": 2.5})


def test_children_are_canceled_with_their_parent(workflows: WorkflowTester) -> None:
    workflow_id = compare_countries.start(["Peru", "Kenya"])
    with pytest.raises(NoRest):
        workflows.run(limit=1)  # the parent's first turn
    workflow.cancel(workflow_id)
    workflows.run()
    assert workflow.status(workflow_id) == Canceled()
    assert {child.state for child in workflow.list(name=country_mean.name)} == {"canceled"}
    assert not CountryMean.objects.exists()


def test_a_child_by_itself(workflows: WorkflowTester) -> None:
    workflow_id = country_mean.start("Peru")
    workflows.run()
    assert workflow.status(workflow_id).type == "completed"
    assert "Peru: " in str(CountryMean.objects.get())


def test_the_mean_of_a_country() -> None:
    noon = datetime(2026, 7, 1, 12, tzinfo=UTC)
    assert 0 < steps.save_country(uuid4(), "Norway", noon) < 25
    with pytest.raises(steps.UnknownCountry, match="There is no city of 'Atlantis' here"):
        steps.save_country(uuid4(), "Atlantis", noon)


def test_the_pages(client: Client, workflows: WorkflowTester) -> None:
    page = client.post("/countries/", {"countries": "Norway, Atlantis, Norway"}).headers["Location"]
    assert "in progress" in client.get(page).text
    workflows.run()
    text = client.get(page).text
    assert "<dt>Norway</dt>" in text
    assert "<dt>Atlantis</dt><dd>There is no city of &#x27;Atlantis&#x27; here.</dd>" in text
    assert "Norway" in client.get("/countries/").text
    assert client.get(f"/countries/{uuid4()}/").status_code == 404
