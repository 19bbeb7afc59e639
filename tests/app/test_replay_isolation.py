"""A replay whose functions want out: they see nothing, reach nothing, and the verdict says that they tried."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

import surefoot
from surefoot.adapters.distributed.process_workers import InProcess
from surefoot.app.replay_parts import ReplaySpec
from surefoot.app.replaying import planned_replay, workers_for
from surefoot.core.artifact.canonical import canonical
from surefoot.core.proof.replay import Level, Outcome
from surefoot.errors import SettingsError, UsageError
from tests.cli.terminal import surefoot as command
from tests.service.replay_projects import project, write_tape

CODE = """
import os
import socket
from urllib.request import urlopen

from w3_agent import good

def seeing(version, request, ctx):
    good(version, request, ctx)
    return " ".join(str(os.environ.get(name)) for name in ("SHOP_TOKEN", "MODEL_KEY", "HOME"))

def calling(version, request, ctx):
    try:
        socket.create_connection(("192.0.2.1", 80), 5)
    except OSError:
        pass
    return good(version, request, ctx)

def falling(version, request, ctx):
    socket.getaddrinfo("example.com", 443)

def asking(version, request, ctx):
    good(version, request, ctx)
    return urlopen(version.executor.setting("base_url")).read().decode()

def needing(version, request, ctx):
    return os.environ["SHOP_TOKEN"]

class Watching:
    def __init__(self, trace): self.call(None, None)
    def call(self, name, arguments):
        try:
            socket.create_connection(("192.0.2.1", 80), 5)
        except OSError:
            pass
    def state(self): return {}
"""

NEEDING = """
import os
TOKEN = os.environ["SHOP_TOKEN"]
from outgoing import good
"""

IMPORTING = """
import subprocess
try:
    subprocess.run(["uname"])
except OSError:
    pass
from outgoing import good
"""


class Here(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"a model said so")

    def log_message(self, *_):
        pass


@contextmanager
def server() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Here) as served:
        thread = threading.Thread(target=served.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{served.server_port}/"
        served.shutdown()
        thread.join()


def outgoing(root: Path, label: str, *, module: str = "outgoing", settings: str = "{}", count: int = 4) -> Path:
    """A project with a version that wants out, beside `good`, which does not."""
    project(root, count)
    (root / "outgoing.py").write_text(CODE)
    (root / "importing.py").write_text(IMPORTING)
    (root / "wanting.py").write_text(NEEDING)
    text = (root / "agents/shop/good.yaml").read_text().replace("w3_agent:good", f"{module}:{label}")
    text = text.replace(f'{module}:{label}"', f'{module}:{label}", settings: {settings}')
    (root / "agents/shop/out.yaml").write_text(text)
    return root


def replayed(root: Path, **options):
    return surefoot.replay(root / "tape.jsonl", baseline="good", candidate="out", project=root, **options)


def test_a_function_sees_no_secret_but_the_one_that_its_version_names(tmp_path, monkeypatch):
    """The version's api_key_env stays, the shop's token does not, and home is a folder that is gone afterwards."""
    monkeypatch.setenv("SHOP_TOKEN", "secret")
    monkeypatch.setenv("MODEL_KEY", "key")
    found = replayed(outgoing(tmp_path, "seeing", settings="{api_key_env: MODEL_KEY}"))
    token, key, home = str(found.rows[0].candidate.output).split()
    assert (token, key) == ("None", "key")
    assert home != os.environ["HOME"]
    assert not Path(home).exists()


@pytest.mark.parametrize("label", ["calling", "falling"])
def test_a_run_that_wanted_out_is_no_success(tmp_path, label):
    """Whether it caught the error or not: it left its tape, the totals count it, and the trace says what it was."""
    found = replayed(outgoing(tmp_path, label))
    assert found.exit_code == 2
    assert found.candidate_totals.outcomes[Outcome.DIVERGED] == 4
    assert (found.baseline_totals.refused, found.candidate_totals.refused) == (0, 4)
    (reason,) = [score.reason for score in found.rows[0].candidate.scores if score.metric == "refused"]
    wanted = {"calling": "a connection to 192.0.2.1:80", "falling": "looking up example.com"}[label]
    assert reason.startswith(f"{wanted} was refused (--allow-host ")


def test_the_command_shows_what_was_refused_and_how_to_allow_it(tmp_path):
    """The table has a row for it, the trace its reason, and the named host is then tried."""
    root = outgoing(tmp_path, "falling")
    words = ("replay", "--traces", str(root / "tape.jsonl"), "--baseline", "good", "--candidate", "out")
    refused = command(root, *words)
    assert refused.code == 2
    assert "effects refused" in refused.out
    assert "--allow-host example.com" in refused.out
    assert "effects refused" not in command(root, *words, "--allow-host", "example.com").out


def test_who_misses_a_credential_hears_how_to_give_it(tmp_path, monkeypatch):
    """In a run it is an error with a line that names the option; while a module is imported nothing begins."""
    monkeypatch.setenv("SHOP_TOKEN", "secret")
    root = outgoing(tmp_path / "run", "needing")
    words = ("replay", "--traces", str(root / "tape.jsonl"), "--baseline", "good", "--candidate", "out")
    assert "--allow-env SHOP_TOKEN" in command(root, *words).err
    other = outgoing(tmp_path / "import", "good", module="wanting")
    with pytest.raises(UsageError, match="cannot be imported: KeyError") as caught:
        replayed(other)
    assert "--allow-env" in caught.value.hint
    assert replayed(other, allow_env=["SHOP_TOKEN"]).candidate_totals.outcomes[Outcome.PASS] == 4


def test_an_import_that_wanted_out_is_told_of_every_run(tmp_path):
    """What a module does without a program is not known, so no run in that process passes; allowed, all pass."""
    root = outgoing(tmp_path, "good", module="importing")
    found = replayed(root, workers=1)
    assert found.candidate_totals.outcomes[Outcome.PASS] == 0
    (root / "surefoot.yaml").write_text("replay: {programs: [uname]}\n")
    assert replayed(root).candidate_totals.outcomes[Outcome.PASS] == 4


def test_the_endpoint_that_a_version_names_is_reached(tmp_path):
    """A function asks the model of its own settings; the same endpoint without its name is refused."""
    with server() as url:
        found = replayed(outgoing(tmp_path, "asking", settings=canonical({"base_url": url}).replace('"', "'")))
        assert {row.candidate.output for row in found.rows} == {"a model said so"}
        assert found.candidate_totals.refused == 0


def test_a_world_is_isolated_like_a_function(tmp_path):
    """Recordings in a user's world run in a worker, never in this process."""
    root = outgoing(tmp_path, "good")
    write_tape(root / "tape.jsonl", [{**line, "agent": "x"} for line in _lines(root)])
    spec = ReplaySpec(root=root, level=Level.WORLD, world="outgoing:Watching")
    plan = planned_replay(root / "tape.jsonl", spec, baseline="recorded:x", candidate="recorded:x")
    assert not isinstance(workers_for(plan), InProcess)
    found = surefoot.replay(
        root / "tape.jsonl", baseline="recorded:x", candidate="recorded:x", project=root,
        level="world", world="outgoing:Watching",
    )  # fmt: skip
    assert found.candidate_totals.refused > 0
    assert found.exit_code == 2


def test_what_the_project_allows_has_to_be_a_host(tmp_path):
    """A mistake in surefoot.yaml is told before anything runs."""
    root = outgoing(tmp_path, "good")
    (root / "surefoot.yaml").write_text("replay: {hosts: ['https://example.com']}\n")
    with pytest.raises(SettingsError, match="no host"):
        replayed(root)


@pytest.mark.slow
def test_workers_on_ray_are_isolated_too(tmp_path, monkeypatch):
    """The same refusals and the same secrets as in processes."""
    pytest.importorskip("ray", reason="surefoot[ray] is not installed")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(Path(surefoot.__file__).parents[1]), str(tmp_path)]))
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    monkeypatch.setenv("SHOP_TOKEN", "secret")
    root = outgoing(tmp_path, "calling")
    assert replayed(root, on="ray", workers=2).candidate_totals.refused == 4
    text = (root / "agents/shop/out.yaml").read_text()
    (root / "agents/shop/out.yaml").write_text(text.replace("outgoing:calling", "outgoing:seeing"))
    token, _, home = str(replayed(root, on="ray", workers=2).rows[0].candidate.output).split()
    assert token == "None"
    assert home != os.environ["HOME"]
    assert not Path(home).exists()


def _lines(root: Path) -> list[dict[str, object]]:
    import json

    return [json.loads(line) for line in (root / "tape.jsonl").read_text().splitlines()]
