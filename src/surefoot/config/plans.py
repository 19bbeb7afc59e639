"""`rollouts/<agent>.yaml`: how an agent's candidates get to its users. Every key is described in docs/plans.md."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from ..core.artifact.diff import RiskClass
from ..core.traffic.calendar import FreezeWindow
from ..core.traffic.plan import (
    EVERYBODY,
    Check,
    Control,
    NoTraffic,
    OnNewCandidate,
    Plan,
    Requirement,
    Strategy,
    Targeting,
    UnitKind,
    flaw,
)
from ..core.traffic.presets import DEFAULT_CHECKS, PRESETS, preset
from ..core.units import ALL_TRAFFIC, BasisPoints
from ..errors import PlanError, nearest
from .files import readable, shown_path
from .node import Fields, Node
from .plan_calendar import read_freeze
from .plan_checks import read_checks
from .plan_stages import (
    CHANGE_KEYS,
    PlacedShare,
    PlacedStage,
    changed,
    read_shares,
    read_stages,
    refuse_holes,
    refuse_shares,
)
from .quantity import duration, share
from .yaml import parse_yaml, read_yaml

__all__ = ["PLAN_KEYS", "ROLLOUTS_FOLDER", "TARGETING_KEYS", "PlanFile", "list_plans", "load_plan", "parse_plan"]

ROLLOUTS_FOLDER: Final = "rollouts"

_ENDINGS: Final = (".yaml", ".yml")


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanFile:
    """What a plan file says: the plan, and what depends on the candidate."""

    plan: Plan
    approval_if_risk: RiskClass | None = None
    """A change of at least this risk needs a person's yes before the first user sees it."""

    def plan_for(self, risk: RiskClass | None) -> Plan:
        """The plan for a candidate whose change has this risk class. None, not known, counts as the highest."""
        rule = self.approval_if_risk
        if rule is None or (risk is not None and risk < rule):
            return self.plan
        stages = list(self.plan.stages)
        first = next(index for index, stage in enumerate(stages) if stage.share)
        stages[first] = replace(stages[first], needs_approval=True)
        note = f"approval before {stages[first].name!r}: the change's risk is {risk.word if risk else 'not known'}"
        return replace(self.plan, stages=tuple(stages), notes=(*self.plan.notes, note))


def list_plans(root: Path) -> tuple[str, ...]:
    """The agents that have a plan file, by name; empty without the folder. PlanError if it cannot be read."""
    folder = root / ROLLOUTS_FOLDER
    with readable(root, folder, PlanError):
        if not folder.is_dir():
            return ()
        files = [path for path in folder.iterdir() if path.suffix in _ENDINGS and not path.name.startswith(".")]
    return tuple(sorted({path.stem for path in files}))


def load_plan(root: Path, agent: str) -> PlanFile:
    """The plan of an agent. Raises PlanError with file, line, key and hint; also for no file, and for two."""
    folder = root / ROLLOUTS_FOLDER
    with readable(root, folder, PlanError):
        found = [path for ending in _ENDINGS if (path := folder / f"{agent}{ending}").is_file()]
    if Path(agent).name != agent or not found:
        raise PlanError(
            f"no plan for agent {agent!r}",
            hint=f"write {ROLLOUTS_FOLDER}/{agent}.yaml with one line, `preset: canary`; "
            f"there are plans for: {', '.join(list_plans(root)) or 'nobody'}",
        )
    if len(found) > 1:
        raise PlanError(
            f"{shown_path(root, found[1])}: there is also {found[0].name}", hint="one agent has one plan: remove one"
        )
    return _plan_file(read_yaml(found[0], source=shown_path(root, found[0]), errors=PlanError))


def parse_plan(text: str, *, source: str = "plan.yaml") -> PlanFile:
    """The plan in a text. `source` is the name shown in errors. Raises PlanError with line, key and hint."""
    return _plan_file(parse_yaml(text, source=source, errors=PlanError))


def _plan_file(node: Node) -> PlanFile:
    fields = node.mapping(known=PLAN_KEYS)
    checks_node, each, risk = fields.get("checks"), fields.get("each_stage"), fields.get("approval_if_risk")
    checks = () if checks_node is None else read_checks(checks_node)
    if each is not None:
        each.mapping(known=CHANGE_KEYS)
    base, stages = _from_preset(fields, checks, each) if "preset" in fields else _written(node, fields, checks, each)
    stages = _approved(fields, stages)
    refuse_holes(stages, base.strategy)
    said = {key: read(value) for key, value in fields.items() if (read := _FIELDS.get(key)) is not None}
    _refuse_contradictions(fields, said, base.strategy)
    try:
        plan = replace(base, stages=tuple(placed.stage for placed in stages), **said)
    except PlanError as error:
        raise node.error(error.message, hint=error.hint) from None
    if (found := flaw(plan)) is not None:
        placed = next((placed.node for placed in stages if placed.stage.name == found.stage), node)
        raise (fields.get(found.key) or placed).error(found.message, hint=found.hint)
    rule = None if risk is None else RiskClass[risk.one_of(level.word for level in RiskClass).upper()]
    return PlanFile(plan=plan, approval_if_risk=rule)


def _from_preset(fields: Fields, checks: tuple[Check, ...], each: Node | None) -> tuple[Plan, list[PlacedStage]]:
    """A preset's plan, and its stages with what the file changes in them."""
    node, shares, changes = fields.require("preset"), fields.get("shares"), fields.get("stages")
    name = node.one_of(PRESETS)
    if "strategy" in fields:
        raise fields.require("strategy").error("a preset has its own strategy", hint="remove one of the two")
    live: list[PlacedShare] = [] if shares is None else read_shares(shares)
    if live:
        refuse_shares(live, is_experiment=name == Strategy.EXPERIMENT)
        for (before, _), (points, item) in pairwise(live):
            if points == before:
                raise item.error(f"two stages are called {item.text()!r}", hint="keep one of the two")
    plan = preset(name, tuple(share for share, _ in live), checks or DEFAULT_CHECKS)
    if changes is not None and changes.is_sequence:
        raise changes.error(
            "a preset's stages are changed by name", hint="write `5%: {min_duration: 1h}`, or remove `preset`"
        )
    said = None if changes is None else changes.mapping(known=[stage.name for stage in plan.stages])
    places = iter(live)
    placed: list[PlacedStage] = []
    for stage in plan.stages:
        own = None if said is None else said.get(stage.name)
        if own is not None:
            own.mapping(known=CHANGE_KEYS)
        where = node if stage.shadow or not live else next(places).node
        placed.append(PlacedStage(changed(stage, each, own), own or where, where))
    return plan, placed


def _written(
    node: Node, fields: Fields, checks: tuple[Check, ...], each: Node | None
) -> tuple[Plan, list[PlacedStage]]:
    """Stages written one by one; the plan around them has only defaults."""
    if "shares" in fields:
        raise fields.require("shares").error("shares are for presets", hint="name a preset, or write `stages:`")
    if "stages" not in fields:
        raise node.error("neither a preset nor stages", hint=f"add `preset:`, one of {', '.join(PRESETS)}")
    strategy = fields.get("strategy")
    stages = read_stages(fields.require("stages"), checks=checks, each=each)
    chosen = Strategy.CANARY if strategy is None else strategy.choice(Strategy)
    refuse_holes(stages, chosen)
    return Plan(strategy=chosen, stages=tuple(placed.stage for placed in stages)), stages


def _approved(fields: Fields, stages: list[PlacedStage]) -> list[PlacedStage]:
    """The stages, those named under `approvals` opened only by a person."""
    node = fields.get("approvals")
    if node is None:
        return stages
    names = [placed.stage.name for placed in stages]
    for item in node.sequence(minimum=1):
        if item.text() not in names:
            raise item.error(f"no stage is called {item.text()!r}", hint=nearest(item.text(), names))
    asked = set(node.texts())
    return [
        replace(placed, stage=replace(placed.stage, needs_approval=True)) if placed.stage.name in asked else placed
        for placed in stages
    ]


def _refuse_contradictions(fields: Fields, said: Mapping[str, Any], strategy: Strategy) -> None:
    """Raise for values that are valid alone but contradict each other."""
    targeting: Targeting = said.get("targeting", EVERYBODY)
    if both := targeting.allow & targeting.deny:
        denied = fields.require("targeting").mapping().require("deny")
        item = next(item for item in denied.sequence() if item.text() in both)
        raise item.error(f"{item.text()!r} is allowed and denied", hint="keep it in one of the two lists")
    if targeting.cohort and (strategy is not Strategy.EXPERIMENT or said.get("control") is Control.MIRRORED):
        raise (
            fields.require("targeting")
            .mapping()
            .require("cohort")
            .error(
                "a cohort is assigned by somebody else, so its share cannot grow and has no mirror",
                hint="use preset: experiment with control: rest, or leave the cohort out",
            )
        )
    if targeting.flag and targeting.segments:
        raise (
            fields.require("targeting")
            .mapping()
            .require("segments")
            .error(
                "a flag that assigns knows the segments itself", hint="target segments in the flag, and remove these"
            )
        )
    names: set[str] = set()
    windows: tuple[FreezeWindow, ...] = said.get("freeze", ())
    for index, window in enumerate(windows):
        if window.name in names:
            raise (
                fields.require("freeze")
                .sequence()[index]
                .error(
                    f"two windows are called {window.name!r}", hint="a held rollout names its window: give each its own"
                )
            )
        names.add(window.name)


def _targeting(node: Node) -> Targeting:
    fields = node.mapping(known=TARGETING_KEYS)
    cohort = fields.get("cohort")
    is_flag = cohort is not None and cohort.is_mapping
    named = None if cohort is None else cohort.mapping(known=("flag",)).require("flag") if is_flag else cohort
    return Targeting(
        tenants=_listed(fields, "tenants"),
        segments=_listed(fields, "segments"),
        allow=_listed(fields, "allow"),
        deny=_listed(fields, "deny"),
        cohort="" if named is None else named.text(),
        flag=is_flag,
    )


def _listed(fields: Fields, key: str) -> frozenset[str]:
    said = fields.get(key)
    if said is None:
        return frozenset()
    said.sequence(minimum=1)  # an empty list would mean everybody, or nobody: who knows
    return frozenset(said.texts())


def _probability(node: Node) -> float:
    value = node.number()
    if not 0 < value < 1:
        raise node.error(f"{value} is no probability that a test can keep", hint="between 0 and 1, usually 0.05")
    return float(value)


def _holdback(node: Node) -> BasisPoints:
    points = share(node)
    if points == ALL_TRAFFIC:
        raise node.error("the old version would keep everybody", hint="usually 5%")
    return points


def _sample(node: Node) -> BasisPoints:
    points = share(node)
    if not points:
        raise node.error("a shadow stage that mirrors nobody can never end", hint="100% mirrors every request")
    return points


def _requirements(node: Node) -> tuple[Requirement, ...]:
    node.texts()  # none twice
    return tuple(item.choice(Requirement) for item in node.sequence(minimum=1))


_FIELDS: Final[Mapping[str, Callable[[Node], Any]]] = MappingProxyType(
    {
        "unit": lambda node: node.choice(UnitKind),
        "control": lambda node: node.choice(Control),
        "targeting": _targeting,
        "alpha": _probability,
        "alpha_promote": _probability,
        "freeze": read_freeze,
        "no_traffic": lambda node: node.choice(NoTraffic),
        "no_traffic_after": duration,
        "on_new_candidate": lambda node: node.choice(OnNewCandidate),
        "session_idle": duration,
        "holdback": _holdback,
        "keep_warm": duration,
        "archive_after": duration,
        "shadow_sample": _sample,
        "requires": _requirements,
        "bless": Node.boolean,
        "notes": Node.texts,
    }
)
"""The keys that are fields of `Plan`, and how each is read."""

PLAN_KEYS: Final = (
    "preset",
    "strategy",
    "shares",
    "stages",
    "each_stage",
    "checks",
    "approvals",
    "approval_if_risk",
    *_FIELDS,
)
TARGETING_KEYS: Final = ("tenants", "segments", "allow", "deny", "cohort")
