"""What the workers of a replay may see and reach: what its two versions, its project and its caller say."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from urllib.parse import urlsplit

from ..adapters.distributed.guard import endpoint
from ..adapters.distributed.isolation import Isolation
from ..adapters.reports.replay_rows import why_it_ended
from ..config.settings import replay_allowances
from ..core.artifact.version import AgentVersion
from ..core.proof.replay_verdict import Replayed
from ..errors import SettingsError

__all__ = ["isolation_of", "missed_credentials"]


def isolation_of(versions: Iterable[AgentVersion], root: Path, allowed: Isolation) -> Isolation:
    """
    The endpoints and keys that the executors of the versions name, what `surefoot.yaml` allows, and what is given.

    A Python function names its endpoint as a model does: `base_url` and `api_key_env`, among its settings. Raises
    SettingsError for an invalid host name.
    """
    project = replay_allowances(root)
    hosts, variables = [*project.hosts, *allowed.hosts], [*project.env, *allowed.variables]
    for version in versions:
        hosts += _endpoint(version)
        key = version.executor.setting("api_key_env")
        variables += [key] if isinstance(key, str) else []
    for host in hosts:
        endpoint(host)
    programs = (*project.programs, *allowed.programs)
    return Isolation(*(tuple(sorted(set(names))) for names in (hosts, variables, programs)))


def missed_credentials(found: Replayed, isolation: Isolation, environ: Mapping[str, str]) -> list[str]:
    """Variables that were kept from the runs, and of which a run that failed speaks."""
    withheld = isolation.withheld(environ)
    told = {why_it_ended(result) for row in found.rows for result in (row.baseline, row.candidate)}
    return sorted(name for name in withheld if any(name in text for text in told))


def _endpoint(version: AgentVersion) -> list[str]:
    url = version.executor.setting("base_url")
    if not isinstance(url, str):
        return []
    try:
        parts = urlsplit(url)
        port = parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError:
        raise SettingsError(f"{url!r} is no address", hint="look at base_url in the version's file") from None
    if not parts.hostname:
        return []  # whoever asks it says so
    return [f"[{parts.hostname}]:{port}" if ":" in parts.hostname else f"{parts.hostname}:{port}"]
