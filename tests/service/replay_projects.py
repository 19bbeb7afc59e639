"""A project with two versions of a Python agent, and a tape of what the first of them did."""

from __future__ import annotations

import json
from pathlib import Path

__all__ = ["AGENT", "project", "tape_line", "write_tape"]

AGENT = """
import os
from pathlib import Path

def find(order): raise AssertionError("a tool ran")
def refund(order, amount): raise AssertionError("a tool ran")

def good(version, request, ctx):
    order = ctx.tool("find", {"order": request}, find)
    ctx.tool("refund", {"order": request, "amount": 5}, refund)
    ctx.observe(tokens=100)
    return f"refunded {order}"

async def greedy(version, request, ctx):
    ctx.tool("find", {"order": request}, find)
    if request.endswith("3"):
        ctx.tool("refund", {"order": request, "amount": 500}, refund)
    ctx.tool("refund", {"order": request, "amount": 5}, refund)
    ctx.tool("refund", {"order": request, "amount": 5}, refund)
    ctx.observe(tokens=300)
    return "refunded twice"

def lazy(version, request, ctx):
    ctx.tool("find", {"order": request}, find)
    return "I cannot do that"

def deadly(version, request, ctx):
    if request == "o3":
        os._exit(7)
    return good(version, request, ctx)

def hanging(version, request, ctx):
    print("about to hang")
    import threading
    threading.Event().wait()

def leaving(version, request, ctx):
    print("about to leave")
    raise SystemExit(3)

def broken(version, request, ctx):
    raise ValueError("no such thing")

class Shop:
    def __init__(self, trace): self.refunds = {}
    def call(self, name, arguments):
        if name == "find": return {"order": arguments["order"]}
        self.refunds[arguments["order"]] = self.refunds.get(arguments["order"], 0) + arguments["amount"]
        return "ok"
    def state(self): return self.refunds
"""

VERSION = """
model: {{provider: test, name: model-1}}
prompt: {label}
tools:
  - name: find
    effect: read
    arguments: {{type: object, properties: {{order: {{type: string}}}}, required: [order]}}
  - name: refund
    effect: write
    arguments: {{type: object, properties: {{order: {{type: string}}, amount: {{type: integer}}}}, required: [order]}}
executor: {{kind: python, callable: "w3_agent:{label}"}}
"""


def tape_line(number: int, **fields: object) -> dict[str, object]:
    """A run of `good`."""
    order = f"o{number}"
    return {
        "trace_id": f"t{number:03}",
        "request": order,
        "tool_calls": [
            {"name": "find", "args": {"order": order}},
            {"name": "refund", "args": {"order": order, "amount": 5}},
        ],
        "tool_results": [
            {"success": True, "result": "a pair of boots", "latency_ms": 40},
            {"success": True, "result": "ok", "latency_ms": 60},
        ],
        "response": "refunded a pair of boots",
        "outcome": "success",
        "latency_ms": 900,
        "cost_tokens": 100,
        **fields,
    }


def write_tape(path: Path, lines: list[dict[str, object]]) -> Path:
    """As a file."""
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return path


def project(root: Path, count: int = 12) -> Path:
    """A project with its tape in tape.jsonl."""
    folder = root / "agents" / "shop"
    folder.mkdir(parents=True)
    (root / "w3_agent.py").write_text(AGENT, encoding="utf-8")
    for label in ("good", "greedy", "lazy", "deadly", "hanging", "leaving", "broken"):
        (folder / f"{label}.yaml").write_text(VERSION.format(label=label), encoding="utf-8")
    write_tape(root / "tape.jsonl", [tape_line(number) for number in range(count)])
    return root
