"""What can be done to a workflow: a module for each kind, with its permission and form, and why it is not possible."""

from __future__ import annotations

from .action import Action, Outcome
from .cancel import Cancel
from .cleanup import Cleanup
from .on_complete import RunOnComplete
from .restart import Restart
from .retry_now import RetryNow
from .send_event import SendEvent

__all__ = ["ACTIONS", "Action", "Outcome"]

#: In the order of their buttons.
ACTIONS: dict[str, Action] = {
    action.name: action for action in (SendEvent(), RetryNow(), Cancel(), Restart(), RunOnComplete(), Cleanup())
}
