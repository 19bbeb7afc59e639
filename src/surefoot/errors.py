"""
Every error surefoot raises on purpose.

* SurefootError                 code, message, hint
  x UsageError                  the caller asked for something that can never work
    + ArtifactError             an agent version is malformed
    + PlanError                 a rollout plan has a hole
    + GateError                 a gates file, a baseline or a quarantine file is malformed
    + SettingsError             a settings file is malformed
    + TraceError                a line of a trace file is no trace
    + SuiteError                a suite of cases is malformed, or asks nothing
    + NothingToJudge            no case, no recorded run, no result: nothing was executed, so nothing is decided
    + IllegalTransition         the rollout does not accept this event now
    + UnknownName               a name nobody registered (lists the known ones)
    + AlreadyExists             a name that is taken
  x Conflict                    someone else committed first; read again and retry
  x Refused                     a policy said no
    + Killed                    a kill switch covers this request
    + Denied                    this digest was rolled back; a person has to re-open it
    + Diverged                  a shadow run wanted to do what nobody did for real
    + EffectRefused             a replayed run wanted out: to a host, or to another program
  x Unreadable                  something stored is damaged, or a newer release's
  x Unavailable                 something outside failed; may succeed later
    + StoreUnavailable          the store is locked, read-only, full or gone
    + ExecutorFailed            the model endpoint did not answer as promised
      x ExecutorTimeout         it did not answer in time

Mistakes of a programmer (a wrong type, a missing argument) are not in this tree: they stay what Python makes of them.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import ClassVar

__all__ = [
    "AlreadyExists",
    "ArtifactError",
    "Conflict",
    "Denied",
    "Diverged",
    "EffectRefused",
    "ExecutorFailed",
    "ExecutorTimeout",
    "GateError",
    "IllegalTransition",
    "Killed",
    "NothingToJudge",
    "PlanError",
    "Refused",
    "SettingsError",
    "StoreUnavailable",
    "SuiteError",
    "SurefootError",
    "TraceError",
    "Unavailable",
    "UnknownName",
    "Unreadable",
    "UsageError",
    "nearest",
]


def nearest(name: str, known: Iterable[str], *, shown: int = 20, guesses: bool = True) -> str:
    """A hint for a wrong name: the known one that looks most like it, and the first `shown` of all that are known."""
    names = sorted(known)
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.5) if guesses else []
    more = f" and {len(names) - shown} more" if len(names) > shown else ""
    listed = f"known: {', '.join(names[:shown]) or 'none'}{more}"
    return f"did you mean {close[0]!r}? {listed}" if close else listed


class SurefootError(Exception):
    """Base of every deliberate error. `code` is stable and documented; `hint` says what to do next."""

    code: ClassVar[str] = "surefoot"

    def __init__(self, message: str, *, hint: str) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.add_note(f"hint: {hint}")  # so that a traceback says it too


class UsageError(SurefootError):
    """The caller asked for something that can never work."""

    code = "usage"


class ArtifactError(UsageError):
    """An agent version is malformed."""

    code = "artifact"


class PlanError(UsageError):
    """A rollout plan cannot be executed as written."""

    code = "plan"


class GateError(UsageError):
    """Gates, a baseline or a quarantine list cannot be used as written."""

    code = "gate"


class SettingsError(UsageError):
    """A settings file is malformed."""

    code = "settings"


class TraceError(UsageError):
    """A line of a trace file is no trace."""

    code = "trace"


class SuiteError(UsageError):
    """A suite of cases is malformed, or asks nothing."""

    code = "suite"


class NothingToJudge(UsageError):
    """No case, no recorded run, no result: nothing was executed, so nothing is decided (exit code 2 of a proof)."""

    code = "nothing_to_judge"


class IllegalTransition(UsageError):
    """The rollout is in a phase that does not accept this event. Nothing was changed."""

    code = "illegal_transition"


class UnknownName(UsageError):
    """A name nobody registered."""

    code = "unknown_name"

    def __init__(self, kind: str, name: str, known: tuple[str, ...], *, guesses: bool = True, where: str = "") -> None:
        """
        `guesses`: whether the nearest known name is offered; not where taking the wrong one does harm. `where`: in what
        it was looked for.
        """
        super().__init__(
            f"unknown {kind} {name!r}" + (f": {where}" if where else ""), hint=nearest(name, known, guesses=guesses)
        )


class AlreadyExists(UsageError):
    """A name that is taken."""

    code = "already_exists"


class Conflict(SurefootError):
    """Someone else committed first. Nothing was written; read again and retry."""

    code = "conflict"


class Refused(SurefootError):
    """A policy said no."""

    code = "refused"


class Killed(Refused):
    """A kill switch covers this request."""

    code = "killed"


class Denied(Refused):
    """This digest was rolled back. Nothing retries it by itself; a person has to re-open it."""

    code = "denied"


class Diverged(Refused):
    """A shadow run wanted to do something that stable's run did not do. It was not done."""

    code = "diverged"


class EffectRefused(Refused, PermissionError):
    """A replayed run wanted to reach a host or to start a program that is not allowed. It did not.

    It is a PermissionError, too, so that what can do without its network, or its program, does.
    """

    code = "effect_refused"


class Unreadable(SurefootError):
    """
    Something stored cannot be understood. Trying again does not help, and whatever else is stored is not affected.
    """

    code = "unreadable"


class Unavailable(SurefootError):
    """Something outside failed; the same call may succeed later."""

    code = "unavailable"


class StoreUnavailable(Unavailable):
    """The store is locked, read-only, full or gone. Nothing was half-written."""

    code = "store_unavailable"


class ExecutorFailed(Unavailable):
    """The model endpoint did not answer as promised."""

    code = "executor_failed"

    def __init__(
        self,
        message: str,
        *,
        hint: str,
        transient: bool = False,
        overloaded: bool = False,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message, hint=hint)
        self.transient = transient or overloaded
        """The transport failed (no connection, 5xx, a time-out, 429): the same call may succeed in a moment."""

        self.overloaded = overloaded
        """The endpoint has too much to do (429, 503, a time-out): whoever calls should call less often."""

        self.retry_after = retry_after
        """Seconds that the endpoint asked to wait."""


class ExecutorTimeout(ExecutorFailed):
    """The model endpoint did not answer in time."""

    code = "executor_timeout"
