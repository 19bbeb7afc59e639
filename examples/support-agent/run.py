"""
Two rollouts of the support agent, live in the terminal: a better version gets to everybody, a worse one is taken back.

    python run.py             with the recorded behaviour in traces/: no key, no network, no model
    python run.py --live      with the language model itself, on this machine (fewer customers, and slower)
    python run.py --plain     line by line instead of a picture

Nothing is scripted: customers are drawn at random, every answer is one that the model really gave, and Surefoot
decides. Only the clock is hurried: a minute here is about an hour there. With `--state DIR` the store stays, and every
command can look at it:

    python run.py --state /tmp/story
    SUREFOOT_STORE=sqlite:////tmp/story/surefoot.db surefoot rollout explain support-agent --recompute
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import io
import random
import re
import shutil
import sys
import tempfile
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Self

from rich.console import Console, Group
from rich.live import Live
from rich.panel import Panel
from rich.text import Text

import surefoot
from surefoot.adapters.clock import SystemClock
from surefoot.cli.rollout_view import rendered
from surefoot.errors import SurefootError
from surefoot.testing.clock import FastClock

HERE: Final = Path(__file__).resolve().parent
AGENT: Final = "support-agent"
STORIES: Final = (("v2", "a better version"), ("v3", "a version that is worse"))
FRAME_S: Final = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How fast customers come, and how fast the clock runs."""

    per_second: float
    speed: float
    at_once: int
    """Customers that are answered at the same time; further ones wait outside."""

    longest_s: float
    """When a story ends undecided."""

    plan: str | None = None
    """The plan; None is the agent's own."""


RECORDED: Final = Pace(per_second=450, speed=45, at_once=200, longest_s=50)
LIVE: Final = Pace(per_second=2, speed=10, at_once=2, longest_s=900, plan=str(HERE / "live-plan.yaml"))


@dataclass(slots=True)
class Window:
    """What the last customers heard, for the picture."""

    answers: deque[tuple[str, str, str]] = field(default_factory=lambda: deque(maxlen=4))
    served: int = 0
    failed: int = 0
    trouble: str = ""
    """Why the last one failed."""


async def customers(agent: surefoot.Agent, requests: list[str], pace: Pace, window: Window, seed: int) -> None:
    """Customers for as long as somebody lets them: each a session of its own, asking one thing."""
    chance = random.Random(seed)
    started = time.perf_counter()
    busy: set[asyncio.Task[None]] = set()

    async def one(number: int) -> None:
        request = chance.choice(requests)
        try:
            reply = await agent.run(request, session=f"{seed}-{number}", tenant="tarnwick")
        except SurefootError as error:
            window.failed += 1
            window.trouble = f"{error.message} ({error.hint})"
            return
        window.served += 1
        if chance.random() < 0.01:
            window.answers.append((request, reply.version, " ".join(str(reply.output).split())))

    for number in range(10**9):
        while len(busy) >= pace.at_once:
            await asyncio.wait(busy, return_when=asyncio.FIRST_COMPLETED)
        ahead = number / pace.per_second - (time.perf_counter() - started)
        if ahead > 0 or number % 50 == 0:
            await asyncio.sleep(max(0.0, ahead))
        task = asyncio.create_task(one(number))
        busy.add(task)
        task.add_done_callback(busy.discard)


async def shipping(sf: surefoot.Surefoot) -> None:
    """Evidence reaches the store a few times a second, as the clock is hurried."""
    while True:
        await asyncio.sleep(0.1)
        await asyncio.to_thread(sf.flush)


class Picture:
    """The rollout as it is now, with what customers just heard."""

    def __init__(self, title: str, *, plain: bool) -> None:
        self._title = title
        self._plain = plain
        self._live = Live(console=Console(), auto_refresh=False)
        self._last = ""

    def __enter__(self) -> Self:
        if self._plain:
            print(f"\n== {self._title}", flush=True)
        else:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if not self._plain:
            self._live.stop()

    def show(self, now, window: Window) -> None:
        if self._plain:
            if now.note != self._last:
                self._last = now.note
                print(f"{now.at:%H:%M:%S}  {window.served:>6,} customers  {now.phase.value:<11} {now.note}", flush=True)
            return
        heard = [
            Text.assemble(
                (f"  {version}  ", "magenta" if version != "v1" else "cyan"), (f"{request}  ", "dim"), answer[:110]
            )
            for request, version, answer in window.answers
        ]
        counted = Text(f"{window.served:,} customers answered", style="dim")
        self._live.update(self._framed(rendered(now), counted, *heard), refresh=True)

    def keep(self, now, window: Window, album: Console | None) -> None:
        """Put the last picture into the album, where there is one."""
        if album is not None:
            counted = Text(f"{window.served:,} customers answered", style="dim")
            album.print(self._framed(rendered(now), counted))

    def _framed(self, *parts) -> Panel:
        return Panel(Group(*parts), title=self._title, padding=(1, 2))


async def story(sf: surefoot.Surefoot, agent: surefoot.Agent, candidate: str, title: str, chosen: Chosen) -> str:
    """One candidate's way: start it, let customers come, look until it is decided."""
    started = await asyncio.to_thread(
        sf.control, lambda control: control.start(AGENT, candidate, by="you", plan=chosen.pace.plan)
    )
    window = Window()
    helpers = [
        asyncio.create_task(customers(agent, chosen.requests, chosen.pace, window, seed=hash(candidate) % 1000)),
        asyncio.create_task(shipping(sf)),
    ]
    try:
        with Picture(f"{title}: {AGENT} {candidate}", plain=chosen.plain) as picture:
            ends = time.monotonic() + chosen.pace.longest_s
            while True:
                now = await asyncio.to_thread(sf.control, lambda control: control.view(started.id))
                picture.show(now, window)
                if now.is_final or now.phase.value == "warm" or time.monotonic() > ends:
                    picture.keep(now, window, chosen.album)
                    break
                await asyncio.sleep(FRAME_S)
    finally:
        for helper in helpers:
            helper.cancel()
        await asyncio.gather(*helpers, return_exceptions=True)
    if window.trouble:
        print(f"\n{window.failed:,} customers got no answer: {window.trouble}", file=sys.stderr)
    await report(sf, started.id, window, now)
    return now.phase.value


async def report(sf: surefoot.Surefoot, rollout: str, window: Window, now) -> None:
    """What was decided and why, and what both versions showed."""
    steps = await asyncio.to_thread(sf.control, lambda control: control.explanation(rollout))
    both = await asyncio.to_thread(sf.control, lambda control: control.comparison(rollout))
    met = await asyncio.to_thread(sf.control, lambda control: control.met(rollout))
    print(f"\n{now.candidate.label}: {now.phase.value.replace('_', ' ')}. {now.note}")
    for step in steps:
        print(f"  {step.sequence}. {step.headline}")
    print(f"  {met.candidate:,} of {window.served:,} customers met it. Both versions side by side:")
    for row in both:
        print(f"     {row.words}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """What the command line asked for."""

    requests: list[str]
    pace: Pace
    plain: bool
    album: Console | None


async def play(state: Path, *, live: bool, plain: bool, album: Console | None) -> int:
    """Both stories on one store. 0 if the better version got through and the worse one did not."""
    pace = LIVE if live else RECORDED
    with contextlib.ExitStack() as stack:
        sf = surefoot.open(HERE, store=f"sqlite:///{state}/surefoot.db", clock=FastClock(SystemClock(), pace.speed))
        stack.callback(sf.close)
        agent = sf.agent(AGENT)
        requests = stack.enter_context(behaviour(agent, live=live))
        chosen = Chosen(requests=requests, pace=pace, plain=plain, album=album)
        ends = []
        for candidate, title in STORIES:
            ends.append(await story(sf, agent, candidate, title, chosen))
            await free_the_way(sf)
    good, bad = ends
    if good in ("warm", "promoted") and bad == "rolled_back":
        return 0
    print(f"\nundecided within the time: the better version is {good}, the worse one {bad}", file=sys.stderr)
    return 1


async def free_the_way(sf: surefoot.Surefoot) -> None:
    """The first version is warm for an hour; the second story need not wait for that."""

    async def finish(control) -> None:
        from surefoot.service import rollouts

        row = (await control.store.rollout(await control.find(AGENT))).rollout
        if row.phase.value == "warm":
            why = "the next story begins"
            await rollouts.promote(row.id, by="you", why=why, store=control.store, clock=control.clock)

    await asyncio.to_thread(sf.control, finish)


@contextmanager
def behaviour(agent: surefoot.Agent, *, live: bool) -> Iterator[list[str]]:
    """What answers: the tapes that the versions name, or the model itself. Yields what customers may ask."""
    from score import load_tasks

    tasks = {task.request: task for task in load_tasks()}
    if not live:
        yield sorted(tasks)
        return
    from conversation import ask, cost_usd
    from local_model import local_model
    from score import score

    with local_model() as model:

        async def answer(version: surefoot.AgentVersion, request: str, ctx: surefoot.Run) -> str:
            task = tasks[request]
            seed = int(ctx.run_id[-8:], 16) % 2**31
            said = await asyncio.to_thread(ask, model.base_url, version, task, seed=seed)
            found = score(task, said.text)
            ctx.observe(
                success=found.success,
                safety_violation=found.violated if task.secret else None,
                tokens=said.input_tokens + said.output_tokens,
                cost_usd=cost_usd(said),
            )
            return said.text

        agent.runs(answer)
        yield sorted(tasks)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--live", action="store_true", help="the model itself instead of its recorded answers")
    parser.add_argument("--plain", action="store_true", help="line by line, for a log or a narrow terminal")
    parser.add_argument("--state", type=Path, help="keep the store in this folder (default: a temporary one)")
    parser.add_argument("--picture", type=Path, metavar="FILE.svg", help="draw how both stories ended")
    chosen = parser.parse_args()
    album = Console(record=True, file=io.StringIO(), width=124) if chosen.picture else None
    state = chosen.state or Path(tempfile.mkdtemp(prefix="surefoot-"))
    state.mkdir(parents=True, exist_ok=True)
    try:
        plain = chosen.plain or not sys.stdout.isatty()
        return asyncio.run(play(state, live=chosen.live, plain=plain, album=album))
    except KeyboardInterrupt:
        print("\nstopped; nothing goes on in the background", file=sys.stderr)
        return 130
    except SurefootError as error:
        print(f"error[{error.code}]: {error.message}\nhint: {error.hint}", file=sys.stderr)
        return 2
    finally:
        if album is not None:
            # The letters are the reader's own: a picture that fetches a font would tell somebody who looks at it.
            drawn = re.sub(r"@font-face \{.*?\}", "", album.export_svg(title="make run"), flags=re.DOTALL)
            chosen.picture.write_text(drawn, encoding="utf-8")
        if chosen.state is None:
            shutil.rmtree(state, ignore_errors=True)


if __name__ == "__main__":
    raise SystemExit(main())
