"""
What GitHub Actions is told: annotations, the step's summary, and one comment that is updated in place.

The comment is written over GitHub's REST API with the token of the workflow. Whoever opened the pull request may have
written a comment that begins as ours do, so only one whose author is a bot, as workflows are, is ever updated.
"""

from __future__ import annotations

import json
import re
import urllib.error
import urllib.request
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from http.client import HTTPMessage
from pathlib import Path
from typing import IO, Final, Literal, TypeAlias, cast

from ...core.proof.gate import Decision, Ruling
from ...errors import SettingsError, UsageError
from .comment import MARKER, shortened

__all__ = ["Level", "PullRequest", "annotated", "annotation", "pull_request", "summarise"]

_REPOSITORY: Final = re.compile(r"[A-Za-z0-9._-]+/[A-Za-z0-9._-]+")
_MOST_BODY: Final = 65_000
_PAGE: Final = 100
_MOST_PAGES: Final = 30
_TIMEOUT_S: Final = 30.0
_MOST_ANSWER: Final = 16 * 1024 * 1024
_LOOPBACK: Final = re.compile(r"http://(localhost|127\.\d+\.\d+\.\d+|\[::1\])(:\d+)?(/|$)")
Level: TypeAlias = Literal["error", "warning"]


class _Stay(urllib.request.HTTPRedirectHandler):
    """Follows nothing: `urllib` would carry the token to whatever host a redirect names."""

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: HTTPMessage,
        newurl: str,
    ) -> None:
        return None


_opener: Final = urllib.request.build_opener(_Stay)


def annotated(rulings: Iterable[Ruling]) -> Iterator[str]:
    """A line of standard output for each gate that did not pass: the runner shows it beside the change."""
    for ruling in rulings:
        if ruling.decision is Decision.PASSED:
            continue
        level: Level = "error" if ruling.is_blocking else "warning"
        yield annotation(level, f"{ruling.gate}: {ruling.decision}", f"{ruling.metric}: {ruling.reason}")


def annotation(level: Level, title: str, message: str) -> str:
    """One annotation, as the line by which the runner is told. Nothing in either text is a command of its own."""
    return f"::{level} title={_escaped(title).replace(':', '%3A').replace(',', '%2C')}::{_escaped(message)}"


def summarise(text: str, environ: Mapping[str, str]) -> bool:
    """Append to the step's summary. False outside of GitHub Actions."""
    path = environ.get("GITHUB_STEP_SUMMARY")
    if not path:
        return False
    with Path(path).open("a", encoding="utf-8") as file:
        file.write(text)
    return True


@dataclass(frozen=True, slots=True, kw_only=True)
class PullRequest:
    """A pull request to comment on."""

    api: str
    repository: str
    number: int
    token: str = field(repr=False)

    def upsert(self, body: str) -> str:
        """Update our comment, or write the first; its address. Raises UsageError where GitHub refuses."""
        text = shortened(body, _MOST_BODY)
        mine = self._mine()
        comments = f"/repos/{self.repository}/issues"
        if mine is None:
            answer = self._call("POST", f"{comments}/{self.number}/comments", {"body": text})
        else:
            answer = self._call("PATCH", f"{comments}/comments/{mine}", {"body": text})
        return str(cast("dict[str, object]", answer).get("html_url", "")) if isinstance(answer, dict) else ""

    def _mine(self) -> int | None:
        for page in range(1, _MOST_PAGES + 1):
            path = f"/repos/{self.repository}/issues/{self.number}/comments?per_page={_PAGE}&page={page}"
            found = self._call("GET", path)
            comments = cast("list[object]", found) if isinstance(found, list) else []
            for comment in comments:
                if (number := _own(comment)) is not None:
                    return number
            if len(comments) < _PAGE:
                return None
        return None

    def _call(self, method: str, path: str, body: object = None) -> object:
        request = urllib.request.Request(  # noqa: S310  # `pull_request` lets nothing but https, and http to this machine, through
            self.api + path,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={
                "Authorization": f"Bearer {self.token}",
                "Accept": "application/vnd.github+json",
                "Content-Type": "application/json",
                "User-Agent": "surefoot",
            },
        )
        try:
            with _opener.open(request, timeout=_TIMEOUT_S) as answer:
                return json.loads(answer.read(_MOST_ANSWER))
        except urllib.error.HTTPError as error:
            error.close()
            hint = "the workflow needs `permissions: pull-requests: write`; forks get a read-only token"
            raise UsageError(f"GitHub answers {error.code} to {method} {path}", hint=hint) from None
        except (OSError, ValueError) as error:
            raise UsageError(
                f"GitHub cannot be reached: {error}", hint="the summary and the artifacts have it"
            ) from None


def pull_request(environ: Mapping[str, str]) -> PullRequest | None:
    """
    The pull request that this workflow runs for, from its environment; None where it runs for something else.

    Raises SettingsError where the environment says that there is one and not which, or gives no token.
    """
    event, repository = environ.get("GITHUB_EVENT_PATH"), environ.get("GITHUB_REPOSITORY", "")
    if not event:
        return None
    number = _number_in(Path(event))
    if number is None:
        return None
    token = environ.get("GITHUB_TOKEN") or environ.get("GH_TOKEN")
    if not token:
        raise SettingsError("there is no GITHUB_TOKEN", hint="env: {GITHUB_TOKEN: ${{ github.token }}} in the step")
    if not _REPOSITORY.fullmatch(repository):
        raise SettingsError(f"GITHUB_REPOSITORY is {repository!r}", hint="owner/name, as GitHub Actions sets it")
    api = environ.get("GITHUB_API_URL", "https://api.github.com").rstrip("/")
    if not (api.startswith("https://") or _LOOPBACK.match(api)):
        raise SettingsError(f"GITHUB_API_URL is {api!r}", hint="an address that begins with https://")
    return PullRequest(api=api, repository=repository, number=number, token=token)


def _number_in(event: Path) -> int | None:
    try:
        read: object = json.loads(event.read_bytes())
    except (OSError, ValueError) as error:
        raise SettingsError(f"GITHUB_EVENT_PATH cannot be read: {error}", hint="run inside GitHub Actions") from error
    about = cast("dict[str, object]", read).get("pull_request") if isinstance(read, dict) else None
    number = cast("dict[str, object]", about).get("number") if isinstance(about, dict) else None
    return number if isinstance(number, int) else None


def _own(comment: object) -> int | None:
    if not isinstance(comment, dict):
        return None
    known = cast("dict[str, object]", comment)
    author = known.get("user")
    is_bot = isinstance(author, dict) and cast("dict[str, object]", author).get("type") == "Bot"
    number, body = known.get("id"), known.get("body")
    return number if is_bot and isinstance(number, int) and str(body).startswith(MARKER) else None


def _escaped(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
