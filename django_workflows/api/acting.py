"""What can be done to workflows: start, cancel, restart, send, clean up."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar
from uuid import UUID

from django.http import HttpResponse
from django.utils.translation import gettext as _
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from ..conf import settings
from ..core.definitions import Definition
from ..core.keys import scoped
from ..core.restart_plan import FAILED, KEEP
from ..engine import audit
from ..engine.cancel import cancel
from ..engine.cleanup import cleanup
from ..engine.observe import not_found
from ..engine.restart import restart
from ..engine.retry_now import retry_now
from ..engine.send_event import send_event
from ..engine.start import StartOptions, start_or_find
from ..exceptions import InvalidArguments, InvalidPayload, PayloadTooLarge, StepNotFound
from ..models import Event
from ..store import events as event_store
from ..store.glances import lock_version
from ..store.once import once
from ..words.sentences import restarted_words
from .conditions import check_version, wanted_versions
from .definitions import find
from .descriptions import SEND
from .documents import event_document
from .filters import ALWAYS, check_parameters
from .noting import noting
from .permissions import scope_of
from .problems import BadInput, Conflict, field_error, parameter_error
from .reading import ReadingView, Sight, look
from .serializers import (
    CancelSerializer,
    EventSerializer,
    NameField,
    RestartSerializer,
    RetrySerializer,
    StartSerializer,
)

T = TypeVar("T")

_INPUTS: dict[str, type[serializers.Serializer[Any]]] = {
    "create": StartSerializer,
    "cancel": CancelSerializer,
    "restart": RestartSerializer,
    "retry": RetrySerializer,
    "send": EventSerializer,
}


class ActingView(ReadingView):
    """The actions that change something."""

    def get_serializer_class(self) -> type[serializers.Serializer[Any]]:
        return _INPUTS.get(self.action or "", serializers.Serializer)

    def create(self, request: Request) -> HttpResponse:
        """Start a workflow: 201, or 200 with the first one if its key was used before."""
        data = self._input()
        definition = find(data["name"])
        options = StartOptions().derive(
            idempotency_key=self._idempotency_key(data), run_at=data.get("run_at"), context=data.get("context")
        )
        text = self._arguments(definition, data["args"])
        workflow_id, is_new = self._noted(
            lambda: self._start(definition, text, options),
            lambda done: noting(done[0], definition.name, _("Started."), audit.ADDITION) if done[1] else None,
        )
        if not is_new and not self.get_queryset().filter(pk=workflow_id).exists():
            raise Conflict("This idempotency key was used before, for a workflow that does not exist for you any more.")
        address = self.link(f"{self.basename}-detail", workflow_id)
        headers = {} if address is None else {"Location": address}
        return self.answer(look(workflow_id), 201 if is_new else 200, headers)

    def perform_start(self, definition: Definition[Any, Any], args: str, options: StartOptions) -> tuple[UUID, bool]:
        """Start it; returns the id, and whether it is new. Override it to note who did, in the same transaction."""
        return start_or_find(definition, args, options)

    @action(detail=True, methods=["post"])
    def cancel(self, request: Request, pk: str) -> HttpResponse:
        """Cancel it with all its children: 200 if it has ended, 202 if its handler still cleans up."""
        workflow_id, data = self.workflow_id(), self._input()

        def change() -> Sight:
            self._act(workflow_id, lambda: cancel(workflow_id, force=data["force"]))
            return look(workflow_id)

        def said(sight: Sight) -> str:
            if data["force"]:
                return _("Canceled without its clean-up.")
            if not sight.glance.ended:
                return _("Asked to cancel: it cleans up first.")
            skipped = _("Canceled without its clean-up: it is blocked, so its function could not be run.")
            return skipped if sight.workflow.error is not None else _("Canceled.")

        sight = self._noted(change, lambda sight: noting(workflow_id, sight.workflow.name, said(sight)))
        return self.answer(sight, 200 if sight.glance.ended else 202)

    @action(detail=True, methods=["post"])
    def restart(self, request: Request, pk: str) -> HttpResponse:
        """Run a workflow again that has ended: what failed, or (`keep`) nothing that is recorded, or from a step.

        From a step one that is blocked can be restarted, too.
        """
        workflow_id, data = self.workflow_id(), self._input()
        begin = KEEP if data["keep"] else FAILED
        from_step = begin if data.get("from_step") is None else data["from_step"]

        def change() -> Sight:
            self._act(workflow_id, lambda: restart(workflow_id, from_step))
            return look(workflow_id)

        said = restarted_words(from_step)

        try:
            sight = self._noted(change, lambda sight: noting(workflow_id, sight.workflow.name, said))
        except StepNotFound as error:
            raise BadInput([field_error(("from_step",), str(error), "StepNotFound")], str(error), 422) from None
        return self.answer(sight, 202)

    @action(detail=True, methods=["post"])
    def retry(self, request: Request, pk: str) -> HttpResponse:
        """Retry now: end the back-off of its steps, and have it looked at if it is blocked. A worker does it."""
        workflow_id = self.workflow_id()
        self._input()

        def change() -> Sight:
            self._act(workflow_id, lambda: retry_now(workflow_id))
            return look(workflow_id)

        sight = self._noted(change, lambda sight: noting(workflow_id, sight.workflow.name, _("Retried now.")))
        return self.answer(sight, 202)

    @ReadingView.events.mapping.post
    @SEND  # type: ignore[untyped-decorator]
    def send(self, request: Request, pk: str) -> Response:
        """Send an event: by the name that the workflow waits for, or will, or by the id of one made ahead."""
        workflow_id, data = self.workflow_id(), self._input()
        key = self._idempotency_key(data)

        def change() -> Event:
            event_id = self._act(
                workflow_id,
                lambda: send_event(
                    workflow_id,
                    data.get("name"),
                    data.get("value"),
                    error=data.get("error"),
                    event_id=data.get("event_id"),
                    from_outside=True,
                    idempotency_key=key,
                ),
            )
            event = event_store.queryset(workflow_id).filter(pk=event_id).select_related("workflow").first()
            if event is None:
                raise not_found(workflow_id)
            return event

        def say(event: Event) -> audit.Note:
            plain, bad = _('Sent the event "%(name)s".'), _('Sent the event "%(name)s" as an error.')
            said = (plain if event.error is None else bad) % {"name": event.name}
            return noting(workflow_id, event.workflow.name, said)

        try:
            event = self._noted(change, say)
        except InvalidArguments as error:
            raise BadInput.of_arguments(error, ("value",), request.data, 422) from None
        return Response(event_document(event, self.view_for_user), status=202)

    def destroy(self, request: Request, pk: str) -> Response:
        """Delete a finished workflow with its steps, events and children."""
        check_parameters(request, ALWAYS)
        workflow_id = self.workflow_id()
        name = self.get_queryset().filter(pk=workflow_id).values_list("name", flat=True).first() or ""
        gone = self._noted(
            lambda: self._act(workflow_id, lambda: cleanup(workflow_id)),
            lambda gone: noting(workflow_id, name, _("Cleaned up."), audit.DELETION) if gone else None,
        )
        if not gone:
            self.workflow_id()
            raise Conflict("It is running, or one of its children is, so it cannot be deleted: cancel it first.")
        return Response(status=204)

    def _input(self) -> dict[str, Any]:
        check_parameters(self.request, ALWAYS)
        serializer = self.get_serializer_class()(data=self.request.data, context={"request": self.request})
        serializer.is_valid(raise_exception=True)
        return dict(serializer.validated_data)

    def _idempotency_key(self, data: dict[str, Any]) -> str | None:
        """From the header or the body, in the scope of whoever asks."""
        key = self._given_key(data)
        return None if key is None else scoped(key, scope_of(self.request))

    def _given_key(self, data: dict[str, Any]) -> str | None:
        """The header is a quoted text in the draft of the IETF, and bare in the wild."""
        given: str | None = data.get("idempotency_key")
        header = self.request.headers.get("Idempotency-Key")
        if header is None:
            return given
        key = header.strip()
        if len(key) > 1 and key[0] == key[-1] == '"':
            key = key[1:-1]
        try:
            return self._same(given, NameField("Idempotency-Key").run_validation(key))
        except serializers.ValidationError as error:
            said = str(error.detail[0])  # type: ignore[index]
            raise BadInput([parameter_error("Idempotency-Key", said, where="header")]) from None

    def _same(self, given: str | None, key: str) -> str:
        if given not in (None, key):
            raise BadInput([field_error(("idempotency_key",), "The header Idempotency-Key has another one.")])
        return key

    def _arguments(self, definition: Definition[Any, Any], args: dict[str, Any]) -> str:
        try:
            return definition.signature.encode_mapping(
                args, what=f"arguments of {definition.name}", max_bytes=settings.MAX_PAYLOAD_BYTES
            )
        except InvalidArguments as error:
            raise BadInput.of_arguments(error, ("args",), self.request.data, 400) from None

    def _start(self, definition: Definition[Any, Any], args: str, options: StartOptions) -> tuple[UUID, bool]:
        try:
            return self.perform_start(definition, args, options)
        except PayloadTooLarge:
            raise
        except InvalidPayload as error:
            raise BadInput([field_error(("context",), str(error))]) from None

    def _noted(self, change: Callable[[], T], say: Callable[[T], audit.Note | None]) -> T:
        """``change`` something, and note in the same transaction who did."""
        return audit.noted(self.request.user, change, say)

    def _act(self, workflow_id: UUID, change: Callable[[], T]) -> T:
        """``change`` the workflow; where ``If-Match`` says which version is meant, in one transaction with a look."""
        versions = wanted_versions(self.request)
        if versions is None:
            return change()

        def checked() -> T:
            check_version(lock_version(workflow_id), versions)
            return change()

        return once(checked)
