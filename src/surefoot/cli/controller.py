"""`surefoot controller`: the loop that advances rollouts and takes them back, as a process of its own."""

from __future__ import annotations

import asyncio
import signal
from typing import Annotated

import typer

from ..app.blessing import Blessing
from ..app.control import Control
from ..app.pauses import Pauses
from ..service.controller import Controller
from .control import controlled
from .output import say

__all__ = ["app"]

app = typer.Typer(add_completion=False)


@app.command(epilog="Example: surefoot controller --every 5")
def _controller(
    ctx: typer.Context,
    *,
    every: Annotated[float, typer.Option(min=0.1, help="Seconds between two rounds.")] = 1.0,
    rounds: Annotated[int | None, typer.Option(min=1, help="Stop after so many. Default: at Ctrl-C.")] = None,
) -> None:
    """
    Look at every live rollout, again and again. Run as many of these as you like, anywhere, beside one store.

    Processes that open the project do this too, unless surefoot.yaml says `controller: external`.
    """

    async def run(control: Control) -> None:
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("a coroutine without a task")
        pauses = Pauses(control.clock, task)
        controller = Controller(
            store=control.store,
            clock=pauses,
            every=every,
            notifiers=[Blessing(project=control.project, clock=control.clock)],
        )
        if rounds is None:
            await _until_told(controller, pauses)
        else:
            for _ in range(rounds):
                await controller.round()
        done = controller.health
        say(f"rounds: {done.rounds}; looks at rollouts: {done.looks}; steps taken: {done.steps}")
        if done.store_away:
            say(f"rounds without a store: {done.store_away}")
        for rollout, why in done.troubled.items():
            say(f"rollout {rollout} holds, because it cannot be judged: {why}")

    controlled(ctx, run)


async def _until_told(controller: Controller, pauses: Pauses) -> None:
    """Until SIGTERM, as service managers stop a process, or Ctrl-C: both end it between two steps of its work."""
    loop, told = asyncio.get_running_loop(), list[signal.Signals]()

    def stop(how: signal.Signals) -> None:
        told.append(how)
        loop.remove_signal_handler(how)  # who says it twice means at once
        pauses.stop()

    for how in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(how, stop, how)
    say("controlling; Ctrl-C stops this controller, not the rollouts")
    try:
        await controller.run()
    except asyncio.CancelledError:
        if not told:
            raise
    if signal.SIGINT in told:
        raise KeyboardInterrupt
