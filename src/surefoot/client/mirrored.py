"""What an agent hands to the shadow. Apart from it, so that an agent without a shadow does not load one."""

from __future__ import annotations

from typing import NamedTuple

from ..core.artifact.version import AgentVersion
from .functions import Written
from .run import Run

__all__ = ["Mirrored"]


class Mirrored(NamedTuple):
    """A user's run that is over, and what is needed to have the candidate answer too."""

    run: Run
    version: AgentVersion
    """The candidate."""

    request: object
    output: object
    function: Written
