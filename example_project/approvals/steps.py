"""What an approval does to the world: a text generator, and the table that the page reads."""

from uuid import UUID

from django_workflows import current_step
from example_project.approvals.models import Request
from example_project.writer import write

PROPOSALS = 3


def write_proposals(prompt: str) -> list[str]:
    """An action: have some texts written."""
    return [write(prompt, variant=number, attempt=current_step().attempt) for number in range(PROPOSALS)]


def show_proposals(workflow_id: UUID, proposals: list[str]) -> None:
    """A mutation: put the texts where the page finds them."""
    Request.objects.filter(workflow_id=workflow_id).update(proposals=proposals)
