"""What a conversation keeps from its first turn: the version, the arm and the epoch it was assigned in."""

from __future__ import annotations

from typing import Final, NamedTuple

from ..evidence.observation import Arm
from ..units import Digest, RolloutId

__all__ = ["Pin", "read_pin", "write_pin"]

_FORM: Final = "1"
_LONGEST: Final = 512
_MOST_DIGITS: Final = 18


class Pin(NamedTuple):
    """An assignment, as a later turn brings it back."""

    version: Digest
    arm: Arm
    randomised: bool
    epoch: int
    rollout: RolloutId | None


def write_pin(pin: Pin) -> str:
    """
    The pin as text for the caller to keep, `1.<arm>.<randomised>.<epoch>.<version>.<rollout>`.

    It names no user and is not signed: keep it on the server's side of the conversation.
    """
    return f"{_FORM}.{pin.arm}.{pin.randomised:d}.{pin.epoch}.{pin.version}.{pin.rollout or ''}"


def read_pin(text: str) -> Pin | None:
    """The pin in a text, or None for anything else, which starts a new conversation."""
    parts = text.split(".", 5) if len(text) <= _LONGEST else []
    if len(parts) != 6 or parts[0] != _FORM or parts[2] not in ("0", "1"):
        return None
    arm, randomised, epoch, version, rollout = parts[1:]
    if arm not in (Arm.STABLE, Arm.CANDIDATE) or len(epoch) > _MOST_DIGITS or not (epoch.isascii() and epoch.isdigit()):
        return None
    return Pin(Digest(version), Arm(arm), randomised == "1", int(epoch), RolloutId(rollout) if rollout else None)
