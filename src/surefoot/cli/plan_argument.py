"""A plan as it is named on the command line: an agent with a plan file, a file, or a preset."""

from __future__ import annotations

from pathlib import Path

from ..config.plans import PlanFile, list_plans, load_plan, parse_plan
from ..core.traffic.presets import PRESETS, preset
from ..errors import PlanError, UnknownName

__all__ = ["plan_named"]


def plan_named(name: str, project: Path) -> PlanFile:
    """
    A path wins over an agent's plan, an agent's plan over a preset.

    Raises UnknownName, listing agents and presets, and PlanError for a file with a hole.
    """
    path = Path(name)
    if path.suffix in (".yaml", ".yml"):
        try:
            return parse_plan(path.read_text(encoding="utf-8"), source=name)
        except OSError as error:
            raise PlanError(f"{name}: {error.strerror}", hint="name a plan file that is there") from error
        except UnicodeDecodeError as error:
            raise PlanError(f"{name} is no text", hint="a plan is written in YAML, in UTF-8") from error
    agents = list_plans(project)
    if name in agents:
        return load_plan(project, name)
    if name in PRESETS:
        return PlanFile(plan=preset(name))
    raise UnknownName("plan", name, (*agents, *PRESETS))
