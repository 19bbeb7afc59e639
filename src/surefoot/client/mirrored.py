"""What an agent hands to the shadow. Apart from it, so that an agent without a shadow does not load one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from ..core.artifact.version import AgentVersion
from .run import Run

__all__ = ["Mirrored"]


class Mirrored(NamedTuple):
    """A user's run that is over, and what is needed to have the candidate answer too."""

    run: Run
    version: AgentVersion
    """The candidate."""

    request: object
    output: object
    function: Callable[[AgentVersion, Any, Run], Any]
