"""Which version users have when nobody has ever said so."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from ..core.artifact.version import AgentVersion
from ..core.units import AgentName, Digest
from ..errors import UnknownName, UsageError, nearest

__all__ = ["first_stable"]


def first_stable(
    agent: AgentName,
    versions: Sequence[AgentVersion],
    named: Mapping[AgentName, str],
    *,
    agents: Collection[AgentName] = (),
) -> Digest:
    """
    The version that is stable when nobody has ever said so: the one that is named, or the only one.

    Of several, none is guessed: the newest may be the very candidate that nobody should get unproven, and the oldest
    has been replaced long ago. `agents` are those there are, to tell a misspelt name.

    Raises UsageError, and UnknownName for a label that is not there.
    """
    labels = {version.label: version.digest for version in versions}
    label = named.get(agent)
    if label is not None:
        try:
            return labels[label]
        except KeyError:
            raise UnknownName(f"version of {agent}", label, tuple(labels)) from None
    digests = set(labels.values())
    if len(digests) == 1:
        return digests.pop()
    # A name that nobody has may well be this one's, misspelt: that comes first.
    for stranger in named:
        if agents and stranger not in agents:
            raise UsageError(
                f"{stranger!r} under `stable:` in surefoot.yaml is no agent, and {agent} has no stable version",
                hint=nearest(stranger, agents),
            )
    raise UsageError(
        f"{agent} has the versions {', '.join(labels) or '(none)'}, and nobody has said which one users have now",
        hint=f"write `stable: {{{agent}: LABEL}}` into surefoot.yaml, or start with --stable LABEL, once",
    )
