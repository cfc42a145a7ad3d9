"""Which behaviour of replay a workflow began with, so that later versions of this package replay it alike.

What the loop, the context or the values of a workflow function do differently on replay sits behind a flag here. A
workflow keeps the flags with which it was started, through restarts and forks, until it continues as new; older
workflows have none of the later ones. A worker leaves workflows that have a flag it does not know to others.
"""

from __future__ import annotations

from typing import Final

# Each flag is the next power of two, so that what a version does not know is greater than all that it knows. None is
# ever removed nor given another meaning: somewhere a workflow waits that has it.

#: Model instances reach the workflow function as references, which only steps resolve.
INSTANCE_REFERENCES: Final = 1
#: A failed step's exception knows the name of the step.
FAILED_STEP_NAMES: Final = 2

#: Every flag that this version knows, and what new workflows are started with.
KNOWN: Final = INSTANCE_REFERENCES | FAILED_STEP_NAMES


def is_known(logic: int) -> bool:
    """Whether this version replays a workflow of these flags as the version did that started it."""
    return logic <= KNOWN


def unknown_logic(logic: int) -> str:
    """Why this version leaves such a workflow alone."""
    return (
        f"it was started by a newer version of django_workflows (logic {logic}, and this one knows up to {KNOWN}): "
        "workers of that version advance it"
    )
