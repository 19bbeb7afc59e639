"""What every test may ask for: a real PostgreSQL database, the recorded data, and one rule about chance."""

from __future__ import annotations

import asyncio
import os
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

from tests.postgres_cluster import Cluster, ClusterUnavailable, folder_for_this_run, remove_folder, start_or_join

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = [
    "postgres",
    "postgres_module_url",
    "postgres_url",
    "pytest_configure",
    "pytest_unconfigure",
    "repository",
    "shared_data",
]

IN_CI = os.environ.get("CI") == "true"
RUN_FOLDER = "SUREFOOT_TEST_RUN_FOLDER"
REPOSITORY = Path(__file__).resolve().parent.parent

# The same examples on every run of CI: a red build means that the change is wrong, not that chance was unkind.
settings.register_profile("ci", derandomize=True, deadline=None, database=None, print_blob=True)
# On a developer's machine new examples every time; what fails is kept and tried first.
settings.register_profile("dev", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci" if IN_CI else "dev"))


def pytest_configure(config: pytest.Config) -> None:
    """The run's own folder is made before any worker, which inherits its name."""
    if not hasattr(config, "workerinput"):
        os.environ[RUN_FOLDER] = str(folder_for_this_run())


def pytest_unconfigure(config: pytest.Config) -> None:
    """What the workers started ends with the run that started them."""
    if not hasattr(config, "workerinput") and (folder := os.environ.pop(RUN_FOLDER, None)) is not None:
        remove_folder(Path(folder))


@pytest.fixture(scope="session")
def postgres() -> Cluster:
    """The run's one PostgreSQL server."""
    try:
        return start_or_join(Path(os.environ[RUN_FOLDER]))
    except ClusterUnavailable as error:
        if IN_CI:
            pytest.fail(f"CI proves the store on PostgreSQL, and it did not start: {error}", pytrace=False)
        pytest.skip(str(error))


@pytest.fixture
def postgres_url(postgres: Cluster) -> Iterator[str]:
    """An empty database of one's own, dropped after the test."""
    yield from _database(postgres)


@pytest.fixture(scope="module")
def postgres_module_url(postgres: Cluster) -> Iterator[str]:
    """An empty database shared by the tests of one file."""
    yield from _database(postgres)


@pytest.fixture(scope="session")
def repository() -> Path:
    """Where the repository is checked out."""
    return REPOSITORY


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Recorded runs of real agents, kept beside the repository and never copied into it."""
    folder = REPOSITORY.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("the recorded agent runs (../shared/data beside the repository) are not on this machine")
    return folder


def _database(cluster: Cluster) -> Iterator[str]:
    name = f"t_{uuid.uuid4().hex}"  # noqa: TID251 - a name that no other worker takes
    asyncio.run(_execute(cluster, f'create database "{name}" template template0'))
    yield cluster.url(name)
    asyncio.run(_execute(cluster, f'drop database "{name}" with (force)'))


async def _execute(cluster: Cluster, statement: str) -> None:
    import asyncpg

    connection = await asyncpg.connect(cluster.url("postgres"))
    try:
        await connection.execute(statement)
    finally:
        await connection.close()
