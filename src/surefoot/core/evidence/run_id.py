"""
A run's id says to which arm of which epoch the run belongs, so that an outcome joins it days later, in any process.

    sf1 . assignment . unit . serial . check

* assignment: base64url (no padding) of one byte of flags (1 candidate, 2 randomised, 4 under a rollout, 8 the version
  is a plain SHA-256, 16 success was assumed when the run ended), four bytes of epoch, the version (32 bytes, or its
  length in one byte and its text), the rollout (length and text, if there is one), the agent (the rest).
* unit: 16 hexadecimal digits, the hash of the unit (never its id).
* serial: what makes the run unique.
* check: 8 hexadecimal digits of xxh3_64 over all before the last dot. It finds typing errors, cut-off and mixed-up ids.
  It is no signature: who may report outcomes is for the application to decide.
"""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from functools import lru_cache
from re import compile as pattern
from typing import Final, NamedTuple

from xxhash import xxh3_64_hexdigest

from ...errors import UsageError
from ..units import AgentName, Digest, RolloutId, UnitKey
from .observation import Arm, Assignment

__all__ = ["RunIdentity", "parse_run_id", "run_id", "unit_hash"]

_SHAPE: Final = pattern(r"(sf1\.([A-Za-z0-9_-]{8,2000})\.([0-9a-f]{16})\.([A-Za-z0-9_-]{1,64}))\.([0-9a-f]{8})")
_CHECK_SEED: Final = 0x73757265666F6F74
"""So that a hash of the same text made elsewhere does not pass for a check."""

_CANDIDATE, _RANDOMISED, _ROLLOUT, _SHA256, _ASSUMED = 1, 2, 4, 8, 16
_SHA256_PREFIX: Final = "sha256:"


class RunIdentity(NamedTuple):
    """What a run id says."""

    assignment: Assignment
    unit: UnitKey
    serial: str
    success_assumed: bool
    """The run counted as a success when it ended without an error, so that a later success is nothing new."""


def unit_hash(unit: str) -> UnitKey:
    """The name of a unit in evidence and stores: 64-bit xxh3 of its id, in hexadecimal."""
    return UnitKey(xxh3_64_hexdigest(unit.encode("utf-8", "surrogatepass")))


def run_id(assignment: Assignment, unit: UnitKey, serial: str, *, success_assumed: bool = False) -> str:
    """The id. Raises UsageError if a name is too long to be written down (255 bytes; 1000 for the agent)."""
    text = f"sf1.{_packed(assignment, success_assumed)}.{unit}.{serial}"
    return f"{text}.{xxh3_64_hexdigest(text.encode(), _CHECK_SEED)[:8]}"


def parse_run_id(text: str) -> RunIdentity:
    """What the id says. Raises UsageError for anything that `run_id` did not make."""
    found = _SHAPE.fullmatch(text) if len(text) <= 2200 else None
    if found is None:
        raise _refused(text, "it does not have the form of one")
    signed, packed, unit, serial, check = map(str, found.groups())
    if xxh3_64_hexdigest(signed.encode(), _CHECK_SEED)[:8] != check:
        raise _refused(text, "its check digits do not fit")
    try:
        assignment, success_assumed = _unpacked(packed)
    except (ValueError, IndexError):
        raise _refused(text, "its contents make no sense") from None
    return RunIdentity(assignment, UnitKey(unit), serial, success_assumed)


def _refused(text: str, why: str) -> UsageError:
    shown = text if len(text) <= 60 else text[:57] + "..."
    return UsageError(f"{shown!r} is no run id: {why}", hint="pass on reply.run_id as it is, character by character")


@lru_cache(maxsize=1024)
def _packed(assignment: Assignment, success_assumed: bool) -> str:  # noqa: FBT001 - a cache is asked by position
    digest = assignment.version.removeprefix(_SHA256_PREFIX)
    is_sha256 = assignment.version == f"{_SHA256_PREFIX}{digest}" and _is_lower_hex(digest)
    flags = (
        _CANDIDATE * (assignment.arm is Arm.CANDIDATE)
        | _RANDOMISED * assignment.randomised
        | _ROLLOUT * (assignment.rollout is not None)
        | _SHA256 * is_sha256
        | _ASSUMED * success_assumed
    )
    parts = [bytes((flags,)), assignment.epoch.to_bytes(4, "big")]
    parts.append(bytes.fromhex(digest) if is_sha256 else _counted(assignment.version))
    if assignment.rollout is not None:
        parts.append(_counted(assignment.rollout))
    agent = assignment.agent.encode()
    if len(agent) > 1000:
        raise UsageError(f"the agent's name has {len(agent)} bytes", hint="at most 1000 fit into a run id")
    return urlsafe_b64encode(b"".join([*parts, agent])).rstrip(b"=").decode()


@lru_cache(maxsize=1024)
def _unpacked(packed: str) -> tuple[Assignment, bool]:
    raw = urlsafe_b64decode(packed + "=" * (-len(packed) % 4))
    flags, epoch, position = raw[0], int.from_bytes(raw[1:5], "big"), 5
    if flags & _SHA256:
        version, position = _SHA256_PREFIX + raw[position : position + 32].hex(), position + 32
    else:
        version, position = _text(raw, position)
    rollout = None
    if flags & _ROLLOUT:
        rollout, position = _text(raw, position)
    agent = raw[position:].decode()
    assignment = Assignment(
        agent=AgentName(agent),
        version=Digest(version),
        rollout=None if rollout is None else RolloutId(rollout),
        epoch=epoch,
        arm=Arm.CANDIDATE if flags & _CANDIDATE else Arm.STABLE,
        randomised=bool(flags & _RANDOMISED),
    )
    return assignment, bool(flags & _ASSUMED)


def _is_lower_hex(digest: str) -> bool:
    return len(digest) == 64 and not digest.strip("0123456789abcdef")


def _counted(text: str) -> bytes:
    raw = text.encode()
    if len(raw) > 255:
        raise UsageError(f"{text[:40]!r}... has {len(raw)} bytes", hint="at most 255 fit into a run id")
    return bytes((len(raw),)) + raw


def _text(raw: bytes, position: int) -> tuple[str, int]:
    end = position + 1 + raw[position]
    if end > len(raw):
        raise ValueError(position)
    return raw[position + 1 : end].decode(), end
