"""GitHub is told once, in place, and only with what may be said."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from surefoot.adapters.ci.comment import MARKER
from surefoot.adapters.ci.github import annotated, pull_request, summarise
from surefoot.core.proof.gate import Decision, Ruling
from surefoot.errors import SettingsError, UsageError

TOKEN = "token-of-the-workflow"


class GitHub(BaseHTTPRequestHandler):
    """Enough of GitHub's REST API for issue comments, over real HTTP."""

    comments: list[dict]
    status = 200
    location = ""
    tokens: list[str]

    def do_GET(self):
        assert self.path.startswith("/repos/us/agents/issues/7/comments?")
        page = int(self.path.rsplit("=", 1)[1])
        self.answer(self.comments[100 * (page - 1) : 100 * page])

    def do_POST(self):
        made = {"id": len(self.comments) + 1, "user": {"type": "Bot"}, "html_url": "here", **self.sent()}
        self.comments.append(made)
        self.answer(made)

    def do_PATCH(self):
        number = int(self.path.rsplit("/", 1)[1])
        self.comments[number - 1].update(self.sent())
        self.answer(self.comments[number - 1])

    def sent(self):
        return json.loads(self.rfile.read(int(self.headers["Content-Length"])))

    def answer(self, value):
        self.tokens.append(self.headers["Authorization"])
        body = json.dumps(value).encode()
        self.send_response(self.status)
        self.send_header("Content-Length", str(len(body)))
        if self.location:
            self.send_header("Location", self.location)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format, *arguments):
        """Say nothing."""


@pytest.fixture
def github():
    """A GitHub of this test's own; its handler class holds what is there."""
    handler = type("Mine", (GitHub,), {"comments": [], "tokens": []})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    handler.address = f"http://127.0.0.1:{server.server_port}"
    yield handler
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def environ(github, tmp_path):
    """The environment of a workflow that runs for pull request 7."""
    event = tmp_path / "event.json"
    event.write_text('{"pull_request": {"number": 7}}', encoding="utf-8")
    return {
        "GITHUB_API_URL": github.address,
        "GITHUB_EVENT_PATH": str(event),
        "GITHUB_REPOSITORY": "us/agents",
        "GITHUB_TOKEN": TOKEN,
    }


def test_the_first_report_is_a_comment_and_the_second_updates_it(github, environ):
    """However often the workflow runs, there is one comment."""
    assert pull_request(environ).upsert(f"{MARKER}\none") == "here"
    pull_request(environ).upsert(f"{MARKER}\ntwo")
    assert [comment["body"] for comment in github.comments] == [f"{MARKER}\ntwo"]
    assert set(github.tokens) == {f"Bearer {TOKEN}"}


def test_ours_is_found_behind_a_hundred_others(github, environ):
    """Comments come in pages."""
    github.comments += [{"id": i, "user": {"type": "User"}, "body": "hm"} for i in range(1, 151)]
    pull_request(environ).upsert(f"{MARKER}\none")
    pull_request(environ).upsert(f"{MARKER}\ntwo")
    assert len(github.comments) == 151


def test_a_persons_comment_that_begins_like_ours_is_never_touched(github, environ):
    """Whoever writes our marker first does not get our report into their comment."""
    github.comments.append({"id": 1, "user": {"type": "User"}, "body": f"{MARKER}\nall is well"})
    pull_request(environ).upsert(f"{MARKER}\nfailed")
    assert [comment["body"] for comment in github.comments] == [f"{MARKER}\nall is well", f"{MARKER}\nfailed"]


def test_a_report_that_is_too_long_for_a_comment_is_cut_and_says_so(github, environ):
    """GitHub refuses longer ones."""
    pull_request(environ).upsert(MARKER + "x" * 100_000)
    assert len(github.comments[0]["body"]) < 65_536
    assert "cut" in github.comments[0]["body"]
    assert github.comments[0]["body"].startswith(MARKER)


def test_a_refusal_says_what_the_workflow_needs_and_never_the_token(github, environ):
    """A fork's token may read only."""
    github.status = 403
    with pytest.raises(UsageError, match="403") as refused:
        pull_request(environ).upsert(MARKER)
    assert "pull-requests: write" in refused.value.hint
    assert TOKEN not in str(refused.value) + repr(pull_request(environ))


def test_the_token_does_not_follow_a_redirect(github, environ):
    """An address that points elsewhere gets an error; whoever it points to gets nothing."""
    elsewhere = type("Elsewhere", (GitHub,), {"comments": [], "tokens": []})
    server = ThreadingHTTPServer(("127.0.0.1", 0), elsewhere)
    threading.Thread(target=server.serve_forever).start()
    github.status, github.location = (
        302,
        f"http://127.0.0.1:{server.server_port}/repos/us/agents/issues/7/comments?page=1",
    )
    with pytest.raises(UsageError, match="302"):
        pull_request(environ).upsert(MARKER)
    server.shutdown()
    server.server_close()
    assert not elsewhere.tokens


def test_a_github_that_is_away_is_an_error_with_a_hint(environ):
    """No traceback, and no wait without end."""
    with pytest.raises(UsageError, match="cannot be reached"):
        pull_request(environ | {"GITHUB_API_URL": "http://127.0.0.1:1"}).upsert(MARKER)


def test_outside_of_a_pull_request_there_is_nothing_to_comment_on(environ, tmp_path):
    """Neither at home nor in a workflow for a push."""
    push = tmp_path / "push.json"
    push.write_text("{}", encoding="utf-8")
    assert pull_request({}) is None
    assert pull_request(environ | {"GITHUB_EVENT_PATH": str(push)}) is None


@pytest.mark.parametrize(
    "wrong",
    [
        {"GITHUB_TOKEN": ""},
        {"GITHUB_REPOSITORY": "../../elsewhere"},
        {"GITHUB_API_URL": "file:///etc"},
        {"GITHUB_API_URL": "http://github.example/api"},
        {"GITHUB_API_URL": "http://127.0.0.1.github.example/api"},
        {"GITHUB_EVENT_PATH": "/nowhere"},
    ],
)
def test_a_strange_environment_is_refused(wrong, environ):
    """What the environment says goes into addresses."""
    with pytest.raises(SettingsError):
        pull_request(environ | wrong)


def test_annotations_cannot_be_left_by_what_they_quote():
    """A reason with a line break does not become a command of its own."""
    ruling = Ruling(
        gate="a: b, c", kind="rule", metric="success", decision=Decision.FAILED, reason="bad\n::set-env name=x::y%"
    )
    told = Ruling(**{field: getattr(ruling, field) for field in ruling.__slots__} | {"is_blocking": False})
    passed = Ruling(gate="g", kind="rule", metric="m", decision=Decision.PASSED, reason="")
    assert list(annotated([ruling, told, passed])) == [
        "::error title=a%3A b%2C c%3A failed::success: bad%0A::set-env name=x::y%25",
        "::warning title=a%3A b%2C c%3A failed::success: bad%0A::set-env name=x::y%25",
    ]


def test_the_summary_is_added_to_what_is_there(tmp_path):
    """Other steps write into the same file; outside of Actions there is none."""
    path = tmp_path / "summary"
    path.write_text("before\n", encoding="utf-8")
    assert summarise("ours\n", {"GITHUB_STEP_SUMMARY": str(path)})
    assert path.read_text(encoding="utf-8") == "before\nours\n"
    assert not summarise("ours\n", {})
