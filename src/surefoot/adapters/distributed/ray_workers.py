"""Workers of a Ray cluster, for traces that outgrow a machine. Needs the extra `ray`."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final, TypeVar

from ...errors import UsageError
from ...ports.workers import Finished, Lost
from ..clock import SystemIds
from .isolation import Isolation
from .process_workers import Raised, answered

__all__ = ["RayWorkers"]

J = TypeVar("J")
A = TypeVar("A")

_AHEAD: Final = 2
"""Jobs under way for each processor of the cluster."""

_RETRIES: Final = 1


class RayWorkers:
    """
    `Workers` on Ray: the cluster that RAY_ADDRESS names, or one on this machine that ends with this process.

    Surefoot, the project and its modules have to be installed, or at the same path, on every node.
    """

    def __init__(self, *, processors: int | None = None, isolation: Isolation | None = None) -> None:
        self._processors = processors
        """Of a cluster that is made here; one that is there already has as many as it has."""

        self._isolation = isolation

    def run(self, function: Callable[[J], A], jobs: Iterable[J], /) -> Iterator[Finished[J, A]]:
        """Every job with its answer. Raises UsageError where Ray is not installed."""
        ray = _ray()
        is_mine = not ray.is_initialized()
        if is_mine:
            ray.init(num_cpus=self._processors, include_dashboard=False, log_to_driver=False, configure_logging=False)
        try:
            yield from _spread(ray, self._isolation, function, jobs)
        finally:
            if is_mine:
                ray.shutdown()


def _isolated(isolation: Isolation | None, function: Callable[[J], A], job: J) -> A | Raised:
    if isolation is None:
        return answered(function, job)
    with isolation.entered():
        return answered(function, job)


def _spread(
    ray: Any, isolation: Isolation | None, function: Callable[[J], A], jobs: Iterable[J]
) -> Iterator[Finished[J, A]]:
    # an environment of its own gets workers of its own: a guarded one must not be given what somebody else submits
    own: dict[str, Any] = {} if isolation is None else {"env_vars": {"SUREFOOT_REPLAY": SystemIds().new()}}
    remote = ray.remote(max_retries=_RETRIES, runtime_env=own)(_isolated)
    most = max(1, int(ray.cluster_resources().get("CPU", 1))) * _AHEAD
    waiting, busy = iter(jobs), dict[Any, J]()
    while True:
        while len(busy) < most:
            job = next(waiting, None)
            if job is None:
                break
            busy[remote.remote(isolation, function, job)] = job
        if not busy:
            return
        for ready in ray.wait(list(busy))[0]:
            job = busy.pop(ready)
            try:
                answer: A | Raised = ray.get(ready)
            except ray.exceptions.RayError as error:
                yield Finished(job, Lost(f"its worker was lost: {type(error).__name__}"))
                continue
            if isinstance(answer, Raised):
                raise answer.error()
            yield Finished(job, answer)


def _ray() -> Any:
    try:
        return importlib.import_module("ray")
    except ImportError:
        raise UsageError("Ray is not installed", hint="pip install 'surefoot[ray]', or use --on process") from None
