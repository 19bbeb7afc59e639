"""For whom a request is: ids that are text, whatever is done with them later."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypedDict

from ..errors import UsageError, nearest

__all__ = ["Who", "no_such_id", "no_text"]


class Who(TypedDict, total=False):
    """For whom a request is, as far as the caller knows. Ids are text; they leave the process only as hashes."""

    user: str
    session: str
    """The conversation. Outcomes are counted by session unless the plan says otherwise."""

    tenant: str
    feature: str
    """What is asked for, so that a kill switch can stop just that."""

    segment: str
    request_id: str
    """Of this very request. Made up if it is not given."""

    pin: str
    """`reply.pin` of an earlier turn, where turns of one conversation may reach different processes."""


def no_such_id(name: str) -> UsageError:
    """What is wrong with a word that says for whom a request is, and that nobody knows."""
    return UsageError(f"nobody is known by {name!r}", hint=nearest(name, Who.__annotations__))


def no_text(known: Mapping[str, object]) -> UsageError:
    """
    What is wrong with ids that are not all text.

    It is wrong whatever rollout is up. They are looked up and hashed as they are: a switch on tenant "5" would not stop
    tenant 5, and 42 and "42" would be two people, perhaps with two versions.
    """
    name, value = next((name, value) for name, value in known.items() if not isinstance(value, str))
    return UsageError(
        f"{name} is {value!r}, and ids are text",
        hint=f"leave {name} out if it is not known" if value is None else f"pass {name}=str(...), everywhere the same",
    )
