"""The long jobs: progress, cancellation with clean-up, and work in pieces."""

from collections.abc import Callable
from doctest import DocTestParser, DocTestRunner
from uuid import UUID, uuid4

import pytest
from django.test import Client

from django_workflows import Canceled, Completed, Failed, InProgress, current_step
from django_workflows.testing import WorkflowTester, assert_replays
from example_project.jobs import steps
from example_project.jobs.models import ClimateYear, Day, Import, ImportedCity
from example_project.jobs.views import start_import, start_year
from example_project.jobs.workflows import climate_year, import_cities, workflow
from example_project.weather.cities import CITIES_FILE, all_cities
from tests.example.chapters import session_of

pytestmark = pytest.mark.django_db

AtDay = Callable[[int, Callable[[], None]], None]


@pytest.fixture
def at_day(monkeypatch: pytest.MonkeyPatch) -> AtDay:
    """Have something happen when the long action rests after that day."""

    def plan(number: int, happening: Callable[[], None]) -> None:
        def rest(seconds: float) -> None:
            if Day.objects.count() == number:
                happening()

        monkeypatch.setattr(steps, "sleep", rest)

    return plan


def test_a_year(workflows: WorkflowTester) -> None:
    workflow_id = start_year("Tokyo")
    workflows.run()
    assert workflow.status(workflow_id) == Completed(365)
    year = ClimateYear.objects.get()
    assert str(year) == "A year in Tokyo: ready"
    january, july = year.days.get(number=14), year.days.get(number=195)
    assert january.temperature < july.temperature
    assert_replays(climate_year, workflows.history(workflow_id))


def test_an_unknown_city_is_not_tried_again(workflows: WorkflowTester) -> None:
    workflow_id = start_year("Atlantis")
    workflows.run()
    assert workflow.status(workflow_id) == Failed("There is no city called 'Atlantis' here.")
    assert len(workflows.calls(steps.work_out_year)) == 1


def test_cancel_stops_the_action_and_cleans_up(workflows: WorkflowTester, at_day: AtDay) -> None:
    workflow_id = start_year("Tokyo")

    def cancel() -> None:
        workflow.cancel(workflow_id)
        assert workflow.status(workflow_id) == InProgress(running=["example_project.jobs.steps.remove_days"])
        while not current_step().canceled():
            pass

    at_day(5, cancel)
    workflows.run()
    assert workflow.status(workflow_id) == Canceled()
    assert workflows.calls(steps.remove_days)
    assert not Day.objects.exists()
    assert ClimateYear.objects.get().state == "canceled"


def test_nothing_is_added_once_the_clean_up_has_run(workflows: WorkflowTester, at_day: AtDay) -> None:
    """The action hears of it only now and then, so it may still be at work when the clean-up runs."""
    workflow_id = start_year("Tokyo")
    year = ClimateYear.objects.get()
    at_day(5, lambda: steps.remove_days(year.id) and None)
    workflows.run()
    assert workflow.status(workflow_id) == Completed(5)
    assert not Day.objects.exists()


def test_a_canceled_year_that_never_began(workflows: WorkflowTester) -> None:
    workflow_id = start_year("Tokyo")
    workflow.cancel(workflow_id)
    workflows.run()
    assert workflow.status(workflow_id) == Canceled()
    assert not Day.objects.exists()


def test_a_second_attempt_goes_on_where_the_first_ended(workflows: WorkflowTester, at_day: AtDay) -> None:
    failures = [ConnectionError("the worker has lost its database")]

    def fail() -> None:
        if failures:
            raise failures.pop()

    workflow_id = start_year("Tokyo")
    at_day(100, fail)
    workflows.run()
    assert Day.objects.count() == 100
    workflows.advance(60)
    assert workflow.status(workflow_id) == Completed(365)
    assert len(workflows.calls(steps.work_out_year)) == 2


def test_the_progress_page(client: Client, workflows: WorkflowTester, at_day: AtDay) -> None:
    page = client.post("/jobs/", {"city": "Tokyo"}).headers["Location"]
    workflow_id = UUID(page.split("/")[3])
    seen = []

    def look() -> None:
        seen.append((client.get(page).text, client.get(f"/live/{workflow_id}.json").json()))

    at_day(1, look)
    workflows.run()
    (text, answer), *_ = seen
    assert "<progress" in text
    assert (answer["done"], answer["total"], answer["message"]) == (1, 365, "01 January")
    assert answer["running"] == ["work_out_year"]
    assert "365 days, Ready." in client.get(page).text


def test_canceling_on_the_page(client: Client, workflows: WorkflowTester) -> None:
    page = client.post("/jobs/", {"city": "Tokyo"}).headers["Location"]
    for _ in range(2):
        assert client.post(f"{page}cancel/").headers["Location"] == page
        workflows.run()
    assert "canceled" in client.get(page).text
    assert client.get(f"{page}cancel/").status_code == 405


def test_deleting_a_year_with_its_workflow(client: Client, workflows: WorkflowTester) -> None:
    page = client.post("/jobs/", {"city": "Tokyo"}).headers["Location"]
    assert client.post(f"{page}delete/").headers["Location"] == page
    assert ClimateYear.objects.exists()
    workflows.run()
    assert client.post(f"{page}delete/").headers["Location"] == "/jobs/"
    assert not ClimateYear.objects.exists()
    assert not workflow.list().exists()


def test_the_progress_that_the_chapter_shows(workflows: WorkflowTester, at_day: AtDay) -> None:
    """Day 120 is the first one that this attempt adds, so that its progress is written at once."""
    workflow_id = start_year("Tokyo")
    year = ClimateYear.objects.get()
    for number in range(119):
        steps.add_day(year.id, number, 20)
    example = DocTestParser().get_doctest(
        session_of("07-progress"), {"workflow": workflow, "workflow_id": workflow_id}, "07-progress", None, None
    )
    typed = []
    at_day(120, lambda: typed.append(DocTestRunner().run(example)))
    workflows.run()
    assert [(each.attempted, each.failed) for each in typed] == [(1, 0)]


def test_an_import_in_pieces_that_deletes_its_journal(client: Client, workflows: WorkflowTester) -> None:
    page = client.post("/jobs/imports/").headers["Location"]
    assert client.get(f"{page[:-1]}.json").json()["finished"] is False
    workflows.run()
    source = Import.objects.get()
    assert source.done == source.total == ImportedCity.objects.count() == len(all_cities())
    assert not workflow.list().exists()
    assert client.get(page).status_code == 200
    answer = client.get(f"{page[:-1]}.json").json()
    assert (answer["finished"], answer["done"]) == (True, len(all_cities()))
    assert f"{source.done} of {source.total} lines" in client.get("/jobs/").text


def test_an_import_says_how_far_it_is(workflows: WorkflowTester) -> None:
    source = Import.objects.create(text=CITIES_FILE.read_text(encoding="utf-8"))
    seen = []

    def read_chunk(import_id: int, start: int, size: int) -> None:
        seen.append(Import.objects.get().done)
        steps.read_chunk(import_id, start, size)

    workflows.fake(steps.read_chunk, calls=read_chunk)
    workflow_id = import_cities.start(source.id)
    workflows.run()
    assert workflow.status(workflow_id) == Completed(len(all_cities()))
    assert seen == list(range(0, len(all_cities()), 25))


def test_an_import_that_fails_keeps_its_journal(workflows: WorkflowTester) -> None:
    workflow_id = start_import("title\nno name here\n")
    workflows.run()
    assert workflow.status(workflow_id).type == "failed"
    assert Import.objects.get().done == 0


def test_unknown_jobs_are_not_found(client: Client) -> None:
    for page in ("years", "imports"):
        assert client.get(f"/jobs/{page}/{uuid4()}/").status_code == 404
