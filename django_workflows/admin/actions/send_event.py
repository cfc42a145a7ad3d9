"""Sends an event to a workflow, with a form made from the event's type."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django import forms
from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from ...core.events import EventDefinition
from ...core.unfit import Unfit
from ...engine.send_event import awaited_type, send_event
from ...models import Workflow
from ...store import events as event_store
from ...store import workflows
from ...store.once import once
from ..permissions import SEND
from ..schema import SchemaForm
from ..schema.nodes import NOTHING
from .action import Action, Because, Outcome, posts
from .states import why_not_running

#: What the form shows where nobody knows the event's type.
_ANYTHING: Mapping[str, Any] = {"title": gettext_lazy("Value")}


class EventForm(SchemaForm):
    """An event's name, and its value or the error in its place. ``seen`` is how many of that name had been sent."""

    event = forms.CharField(label=gettext_lazy("Event"), max_length=200)
    seen = forms.IntegerField(widget=forms.HiddenInput, required=False)
    error = forms.CharField(
        label=gettext_lazy("Error instead of a value"),
        required=False,
        help_text=gettext_lazy("Raises EventFailed with this text where the event is awaited."),
        widget=forms.TextInput(attrs={"class": "vTextField"}),
    )
    because = Because.base_fields["because"]

    def __init__(
        self,
        data: Mapping[str, Any] | None,
        name: str,
        *,
        definition: EventDefinition[Any] | None = None,
        seen: int | None = None,
        known: bool = False,
    ) -> None:
        self.definition = definition
        super().__init__(data, schema_of(definition))
        self.initial.update({"event": name, "seen": seen})
        if known:
            self.fields["event"].widget = forms.HiddenInput()
        if data is not None and data.get("error"):
            for field_name in dict(self.part.fields()):
                self.fields[field_name].required = False

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        if not self.errors and not cleaned.get("error"):
            self._check_value()
        return {**cleaned, "value": None if self.value is NOTHING else self.value}

    def _check_value(self) -> None:
        """Against the type that the workflow waits for, where it does."""
        if self.definition is None:
            return
        try:
            self.definition.codec.from_outside(None if self.value is NOTHING else self.value)
        except Exception as error:  # noqa: BLE001 - validators are users' code
            problem = Unfit.of(error)
            self.place_errors(problem.problems, str(problem))


def schema_of(definition: EventDefinition[Any] | None) -> dict[str, Any]:
    """The schema of an event's value, as far as its type is known."""
    return {**_ANYTHING} if definition is None else {**_ANYTHING, **definition.codec.json_schema()}


class SendEvent(Action):
    name = "send-event"
    permission = SEND
    label = gettext_lazy("Send event…")
    verb = gettext_lazy("Send")
    many = gettext_lazy("Send an event to selected workflows…")
    question = gettext_lazy("Send an event")
    explanation = gettext_lazy("An event that nobody waits for yet is kept until somebody does.")

    def why_not(self, workflow: Workflow) -> str:
        return why_not_running(workflow)

    def form(self, request: HttpRequest, workflow: Workflow | None) -> forms.Form:
        data = request.POST if posts(request) else None
        name = (data or request.GET).get("event", "")
        if workflow is None:
            return EventForm(data, name)
        waiting = event_store.names_waited_for(workflow.id)
        name = name or (waiting[0] if waiting else "")
        seen = event_store.count_sent(workflow.id, name) if name else None
        definition = awaited_type(workflow.id, name) if name else None
        form = EventForm(data, name, definition=definition, seen=seen, known=bool(name))
        form.waiting, form.chosen = waiting, name  # type: ignore[attr-defined]
        return form

    def perform(self, workflow_id: UUID, cleaned: dict[str, Any]) -> Outcome:
        return once(lambda: _send(workflow_id, cleaned))


def _send(workflow_id: UUID, cleaned: dict[str, Any]) -> Outcome:
    name, seen = cleaned["event"], cleaned.get("seen")
    # Who presses the button twice wants to send it once.
    workflows.lock(workflow_id)
    if seen is not None and event_store.count_sent(workflow_id, name) != seen:
        message = _('Not sent: another event "%(name)s" was sent meanwhile. Send it again if you mean a second one.')
        return Outcome(message % {"name": name}, went_well=False)
    error = cleaned.get("error") or None
    send_event(workflow_id, name, cleaned["value"], error=error, from_outside=True)
    if error:
        return Outcome(_('Sent the event "%(name)s" as an error.') % {"name": name})
    return Outcome(_('Sent the event "%(name)s".') % {"name": name})
