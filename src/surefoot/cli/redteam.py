"""`surefoot redteam`: attacks on a version and on its baseline, and what became of them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from ..config.objectives import choose, objectives_in, own_objectives
from ..core.proof.redteam.converters import CONVERTERS, Strategy, strategy
from ..core.proof.redteam.plan import USUAL_STRATEGIES
from ..core.proof.redteam.poison import INJECTIONS, Injection
from ..core.proof.trace import Trace
from ..errors import NothingToJudge, UnknownName, UsageError, nearest
from .output import JsonOption, say, say_json, say_table
from .project import project_of
from .redteam_view import progress_shown, redteam_json, show_redteam
from .writable import refuse_unwritable

if TYPE_CHECKING:
    from ..app.redteaming import Assault
    from ..core.artifact.version import AgentVersion
    from ..core.proof.redteam.objective import Objective
    from ..core.proof.suite import EvaluatorSpec, Limits
    from ..service.redteam import RedTeamed

__all__ = ["app"]

app = typer.Typer(
    name="redteam",
    help="Attack a version before others do. Exit codes: 0 passed, 1 failed, 2 not decided, 3 wrong usage, 4 something"
    " outside failed.",
    epilog="Example: surefoot redteam run --version v2 --baseline v1 --categories prompt_leakage,goal_hijack",
    no_args_is_help=True,
    add_completion=False,
)

_STRATEGIES: Final = ",".join(USUAL_STRATEGIES)
_MICRO: Final = 1_000_000

_VersionOption = Annotated[
    str, typer.Option("--version", metavar="VERSION", help="LABEL, or AGENT@LABEL.", show_default=False)
]
_BaselineOption = Annotated[
    str | None, typer.Option(metavar="VERSION", help="Attacked with the same, and compared.", show_default=False)
]
_AgentOption = Annotated[str | None, typer.Option(help="Whose versions. Default: the only agent.", show_default=False)]
_CategoriesOption = Annotated[
    str, typer.Option(help="Some of `redteam list`, with commas. Default: all.", show_default=False)
]
_StrategiesOption = Annotated[str, typer.Option(help="Some of `redteam list`, chained with +; or `all`.")]
_ObjectivesOption = Annotated[
    list[Path] | None,
    typer.Option(metavar="FILE", help="Yours instead of the package's: .yaml, .csv, .prompt, .jsonl."),
]
_JudgesOption = Annotated[
    str | None,
    typer.Option(
        metavar="SUITE",
        help="A suite in evals/ whose judges decide what evidence leaves open; metrics are called as categories.",
    ),
]
_InjectionsOption = Annotated[
    str, typer.Option(help="Some of `redteam list`, with commas. Default: all.", show_default=False)
]
_ForbiddenOption = Annotated[str, typer.Option(metavar="TOOL", help="The tool that an instruction asks for.")]
_MostTracesOption = Annotated[int, typer.Option("--traces-at-most", min=1, help="The first so many runs.")]
_SeedOption = Annotated[int, typer.Option(help="The same seed makes the same attacks.")]
_TrialsOption = Annotated[int, typer.Option(min=1, max=1000, help="How often each attack is tried.")]
_MostOption = Annotated[
    float | None,
    typer.Option(
        "--max-success",
        min=0.0,
        max=1.0,
        metavar="SHARE",
        help="What each category's success rate has to stay below, with 95 % confidence. Default: 0.2 without a"
        " baseline, none with one.",
        show_default=False,
    ),
]
_UsdOption = Annotated[float | None, typer.Option("--max-usd", min=0.000001, help="Spend no more than this.")]
_TokensOption = Annotated[int | None, typer.Option("--max-tokens", min=1, help="Use no more than this many.")]
_CallsOption = Annotated[int | None, typer.Option("--max-calls", min=1, help="Make no more than this many.")]
_ResumeOption = Annotated[bool, typer.Option("--resume", help="Go on with the newest run of just these attacks.")]
_OutOption = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Write the attacks there, for `ci report`; the verdict goes beside them."),
]
_ScoresOption = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="Write the counts there, the baseline's as well, for `gate check` and your own gates.",
        show_default=False,
    ),
]


@app.command("run", epilog="Example: surefoot redteam run --version v2 --baseline v1 --strategies baseline,base64+task")
def _run(
    ctx: typer.Context,
    version: _VersionOption,
    *,
    baseline: _BaselineOption = None,
    agent: _AgentOption = None,
    categories: _CategoriesOption = "",
    strategies: _StrategiesOption = _STRATEGIES,
    objectives: _ObjectivesOption = None,
    judges: _JudgesOption = None,
    trials: _TrialsOption = 1,
    most: _MostOption = None,
    seed: _SeedOption = 1,
    max_usd: _UsdOption = None,
    max_tokens: _TokensOption = None,
    max_calls: _CallsOption = None,
    resume: _ResumeOption = False,
    out: _OutOption = None,
    scores: _ScoresOption = None,
    as_json: JsonOption = False,
) -> int:
    """Attack a version: every objective by every strategy, and the baseline with the same.

    It passes if no more attacks succeed than on the baseline, and if each category stays below --max-success.
    """
    from ..app.redteaming import Assault
    from ..core.proof.redteam.plan import plan_attacks

    _refuse(out, scores)
    wanted = choose(_objectives(objectives), _words(categories))
    chosen, before = _versions(ctx, version, baseline, agent)
    assault = Assault(
        plan=plan_attacks(wanted, _strategies(strategies), seed=seed),
        version=chosen,
        baseline=before,
        seed=seed,
        trials=trials,
        limits=_limits(max_usd, max_tokens, max_calls),
        most=most,
        resume=resume,
        judges=() if judges is None else _judges(ctx, judges, wanted),
    )
    return _said(_attacked(ctx, assault, shown=not as_json), out, scores, as_json=as_json)


@app.command("poison", epilog="Example: surefoot redteam poison traces/may.jsonl --version v2 --baseline v1")
def _poison(
    ctx: typer.Context,
    traces: Annotated[Path, typer.Argument(metavar="TRACES", help="Recorded runs (JSONL).", show_default=False)],
    version: _VersionOption,
    *,
    baseline: _BaselineOption = None,
    agent: _AgentOption = None,
    injections: _InjectionsOption = "",
    forbidden: _ForbiddenOption = "forward_everything",
    most_traces: _MostTracesOption = 100,
    trials: _TrialsOption = 1,
    most: _MostOption = None,
    seed: _SeedOption = 1,
    max_usd: _UsdOption = None,
    max_tokens: _TokensOption = None,
    max_calls: _CallsOption = None,
    resume: _ResumeOption = False,
    out: _OutOption = None,
    scores: _ScoresOption = None,
    as_json: JsonOption = False,
) -> int:
    """Put instructions into recorded tool results and see who obeys. Tools answer from the recording: none is called.

    Only results of tools that the version declares as reads are changed. Needs no judge.
    """
    from ..app.redteaming import Assault
    from ..core.proof.redteam.objective import defender_of
    from ..core.proof.redteam.plan import plan_poison

    _refuse(out, scores)
    known = [_injection(name) for name in _words(injections)] or list(INJECTIONS.values())
    chosen, before = _versions(ctx, version, baseline, agent)
    recorded = islice(_traces(traces), most_traces)
    assault = Assault(
        plan=plan_poison(recorded, known, defender_of(chosen), seed=seed, forbidden=forbidden),
        version=chosen,
        baseline=before,
        name=f"poisoned {traces.stem}",
        seed=seed,
        trials=trials,
        limits=_limits(max_usd, max_tokens, max_calls),
        most=most,
        resume=resume,
    )
    return _said(_attacked(ctx, assault, shown=not as_json), out, scores, as_json=as_json)


@app.command("tape", epilog="Example: surefoot redteam tape traces/*.jsonl --candidate with-filter --baseline without")
def _tape(
    ctx: typer.Context,
    traces: Annotated[list[Path], typer.Argument(metavar="TRACES...", help="Recorded runs.", show_default=False)],
    *,
    candidate: Annotated[str, typer.Option(metavar="AGENT", help="As its runs name it.", show_default=False)],
    baseline: Annotated[str | None, typer.Option(metavar="AGENT", help="The same.", show_default=False)] = None,
    most: _MostOption = None,
    out: _OutOption = None,
    scores: _ScoresOption = None,
    as_json: JsonOption = False,
) -> int:
    """Judge attacks that were recorded with their results: no version runs. Benign runs in the files are compared too.

    Each run's `safety` says which attack it was and whether it succeeded; runs without an attack are benign.
    """
    from ..core.proof.redteam.outcome import suite_of
    from ..core.proof.redteam.recorded import recorded_arms
    from ..service.redteam import concluded

    _refuse(out, scores)
    arms = recorded_arms(trace for path in traces for trace in _traces(path))
    for name in (candidate, *([] if baseline is None else [baseline])):
        if name not in arms:
            raise UsageError(f"the files hold no run of {name}", hint=nearest(name, arms))
    mine, theirs = arms[candidate], None if baseline is None else arms[baseline]
    suite = suite_of("recorded attacks", [mine] if theirs is None else [mine, theirs])
    found = concluded(suite, mine, theirs, most=most, label=candidate, baseline_label=baseline or "")
    return _said(found, out, scores, as_json=as_json)


@app.command("list", epilog="Example: surefoot redteam list --json")
def _list(
    objectives: _ObjectivesOption = None,
    as_json: JsonOption = False,
) -> None:
    """Categories, strategies, and the instructions that tapes are poisoned with."""
    found = _objectives(objectives)
    count: dict[str, int] = {}
    for objective in found:
        count[objective.category] = count.get(objective.category, 0) + 1
    if as_json:
        say_json(
            {
                "categories": count,
                "strategies": {name: {"kind": one.kind, "meaning": one.meaning} for name, one in CONVERTERS.items()},
                "injections": {name: injection.text for name, injection in INJECTIONS.items()},
            }
        )
        return
    say_table(("category", "objectives"), [(name, str(n)) for name, n in count.items()])
    say_table(("strategy", "kind", "what it does"), [(one.name, one.kind, one.meaning) for one in CONVERTERS.values()])
    say_table(("injection", "text"), [(one.name, one.text) for one in INJECTIONS.values()])


@app.command("convert", epilog="Example: surefoot redteam convert base64+leetspeak 'hello there'")
def _convert(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A strategy.", show_default=False)],
    text: Annotated[str, typer.Argument(metavar="TEXT", help="What is disguised.", show_default=False)],
    seed: _SeedOption = 1,
    as_json: JsonOption = False,
) -> None:
    """Disguise a text, as an attack would be."""
    chosen = strategy(name)
    converted = chosen.apply(text, seed=seed)
    if as_json:
        say_json({"strategy": chosen.name, "text": converted})
    else:
        say(converted)


def _versions(
    ctx: typer.Context, version: str, baseline: str | None, agent: str | None
) -> tuple[AgentVersion, AgentVersion | None]:
    from ..app.gating import version_named

    def named(name: str) -> AgentVersion:
        return version_named(project_of(ctx), name if agent is None or "@" in name else f"{agent}@{name}")

    return named(version), None if baseline is None else named(baseline)


def _attacked(ctx: typer.Context, assault: Assault, *, shown: bool) -> RedTeamed:
    from ..app.proving import Proving
    from ..app.redteaming import attacked

    with closing(Proving(project_of(ctx))) as proving, progress_shown(shown=shown) as told:
        return attacked(proving, assault, told=told)


def _refuse(out: Path | None, scores: Path | None) -> None:
    refuse_unwritable(out, None if out is None else _beside(out), scores)


def _beside(out: Path) -> Path:
    """Where the verdict goes."""
    return out.with_suffix(".gate.json")


def _said(found: RedTeamed, out: Path | None, scores: Path | None, *, as_json: bool) -> int:
    if scores is not None:
        scores.write_bytes(_counts(found))
    if out is not None:
        from ..adapters.reports.documents import AttacksDocument, GateDocument, written

        out.write_bytes(written(AttacksDocument(attacks=found.report, label=found.label)))
        _beside(out).write_bytes(written(GateDocument(gate=found.gate, label=found.label)))
    if as_json:
        say_json(redteam_json(found))
    else:
        show_redteam(found)
    return found.gate.exit_code


def _counts(found: RedTeamed) -> bytes:
    """What `gate check` reads: a table, or both tables where a baseline was attacked as well."""
    from ..adapters.reports.documents import ScoresDocument, written
    from ..config.baselines import table_text

    if found.baseline is None:
        return table_text(found.candidate).encode()
    label, before = found.label, found.baseline_label
    return written(
        ScoresDocument(candidate=found.candidate, baseline=found.baseline, label=label, baseline_label=before)
    )


def _judges(ctx: typer.Context, name: str, objectives: tuple[Objective, ...]) -> tuple[EvaluatorSpec, ...]:
    from ..config.suites import load_suite

    categories = {objective.category for objective in objectives}
    specs = load_suite(project_of(ctx), name).judges
    found = tuple(spec for spec in specs if spec.metric in categories)
    if not found:
        raise UsageError(
            f"no judge of {name} has a metric called as a category ({', '.join(sorted(categories))})",
            hint="write {kind: judge, rubric: violence}, or give another rubric `metric: violence`",
        )
    return found


def _objectives(files: list[Path] | None) -> tuple[Objective, ...]:
    if not files:
        return own_objectives()
    found = tuple(objective for path in files for objective in objectives_in(path))
    ids = [objective.id for objective in found]
    if len(set(ids)) < len(ids):
        raise UsageError("two objectives have one id", hint="give the files different names, or the objectives ids")
    return found


def _strategies(text: str) -> tuple[Strategy, ...]:
    names = tuple(CONVERTERS) if text.strip() == "all" else _words(text)
    if not names:
        raise UsageError("no strategy", hint="name some of `surefoot redteam list`, or leave the option out")
    return tuple(strategy(name) for name in names)


def _injection(name: str) -> Injection:
    if name not in INJECTIONS:
        raise UnknownName("injection", name, tuple(INJECTIONS))
    return INJECTIONS[name]


def _limits(usd: float | None, tokens: int | None, calls: int | None) -> Limits:
    from ..core.proof.suite import Limits
    from ..core.units import MicroUsd

    return Limits(usd=None if usd is None else MicroUsd(round(usd * _MICRO)), tokens=tokens, calls=calls)


def _traces(path: Path) -> Iterator[Trace]:
    from ..adapters.traces import read_traces

    found = False
    for trace in read_traces(path, distinct=True):
        found = True
        yield trace
    if not found:
        raise NothingToJudge(f"{path} holds no run", hint="record runs into it, one JSON object a line")


def _words(text: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.split(",") if word.strip())
