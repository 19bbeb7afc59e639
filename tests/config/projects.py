"""A small project on disk, and the same version written in other ways."""

from __future__ import annotations

from pathlib import Path

__all__ = ["MODELS", "VERSION", "contents", "make_project", "put"]

VERSION = """\
# the support agent
model: {role: planning, parameters: {temperature: 0.2}} # the planner
prompt:
  system: You are the support agent of a shop.
  instructions: {file: prompts/support.md}
  files: [../../shared/policy.md]
tools:
  - name: lookup_order
    description: Find an order by its number.
    effect: read
    arguments:
      type: object
      properties: {order_id: {type: string}}
      required: [order_id]
  - name: refund
    description: |
      Pay an order back.
policies:
  max_steps: 12
  max_cost_usd: 0.05
  max_latency: 30s
  allowed_topics: [orders, refunds]
  allowed_tools: [lookup_order, refund]
executor:
  kind: openai
  base_url: https://models.example/v1/
  api_key_env: MODEL_KEY
  timeout: 20s
sub_agents:
  helper:
    description: Translates.
    model:
      role: parsing # small and fast
    prompt: Translate what you are given.
"""

MODELS = """\
# which model plays which role
roles:
  planning: openai/gpt-4o-2024-08-06 # since August
  parsing: local/smollm2-135m-q4
"""


def put(root: Path, name: str, text: str | bytes) -> Path:
    """A file of the project, with its folders."""
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def make_project(root: Path, **versions: str) -> Path:
    """A project with one agent, `support`, and these versions of it (by default v1)."""
    put(root, "surefoot.yaml", "")
    put(root, "models.yaml", MODELS)
    put(root, "shared/policy.md", "Never promise a date.\n")
    put(root, "agents/support/prompts/support.md", "Be kind.\r\nBe brief.\r\n")
    for label, text in (versions or {"v1": VERSION}).items():
        put(root, f"agents/support/{label}.yaml", text)
    return root


def contents(root: Path) -> dict[str, bytes]:
    """Every file below a folder, so that a test can see that nothing changed."""
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}
