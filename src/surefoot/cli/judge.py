"""`surefoot judge`: what models are asked when they judge, how far one may be believed, and judging runs with it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

import typer

from ..core.proof.calibration import Calibration, Trust, calibrate
from ..core.proof.judging import prompt
from ..core.proof.rates import Bounds
from ..core.proof.rubrics import RUBRICS, Rubric
from ..errors import UnknownName, UsageError
from .judge_run import run
from .output import JsonOption, say, say_json, say_table

__all__ = ["app"]

_UNDECIDED: Final = 2

app = typer.Typer(
    name="judge",
    help="Judges: models that score runs. Exit codes: 0 passed or usable, 1 failed or unusable, 2 not decided, 3, 4.",
    epilog="Example: surefoot judge calibrate labelled.jsonl",
    no_args_is_help=True,
    add_completion=False,
)


@app.command("list", epilog="Example: surefoot judge list --json")
def _list(*, as_json: JsonOption = False) -> None:
    """The rubrics that a judge can score by."""
    if as_json:
        say_json([_rubric_json(rubric) for rubric in RUBRICS.values()])
        return
    say_table(
        ("rubric", "scale", "passes", "needs"),
        [
            (rubric.name, f"{rubric.lowest} to {rubric.highest}", _passes(rubric), ", ".join(rubric.needs))
            for rubric in RUBRICS.values()
        ],
    )


@app.command("show", epilog="Example: surefoot judge show groundedness")
def _show(
    name: Annotated[str, typer.Argument(metavar="RUBRIC", help="One of `judge list`.", show_default=False)],
    *,
    as_json: JsonOption = False,
) -> None:
    """The prompt of a rubric, letter by letter as the model gets it."""
    rubric = RUBRICS.get(name)
    if rubric is None:
        raise UnknownName("rubric", name, tuple(RUBRICS))
    if as_json:
        say_json({**_rubric_json(rubric), "prompt": prompt(rubric)})
        return
    shows = f"; shown where known: {', '.join(rubric.shows)}" if rubric.shows else ""
    say(f"{rubric.name}: {_passes(rubric)}; needs {', '.join(rubric.needs)}{shows}", "", prompt(rubric))


@app.command("calibrate", epilog="Example: surefoot judge calibrate labelled.jsonl --passed 80 --of 100")
def _calibrate(
    labelled: Annotated[
        Path, typer.Argument(metavar="LABELLED.jsonl", help="Lines with `truth` and `verdict`.", show_default=False)
    ],
    *,
    passed: Annotated[
        int | None, typer.Option(min=0, help="Correct this count of passes ...", show_default=False)
    ] = None,
    of: Annotated[int | None, typer.Option(min=1, help="... of so many runs.", show_default=False)] = None,
    as_json: JsonOption = False,
) -> None:
    """Measure judges against cases whose truth is known: may they decide, only when corrected, or not at all?"""
    from ..config.labelled import read_labelled

    if (passed is None) is not (of is None) or (passed or 0) > (of or 0):
        raise UsageError(
            "--passed and --of belong together, and no more pass than there are", hint="--passed 80 --of 100"
        )
    found = {judge: calibrate(cases) for judge, cases in read_labelled(labelled).items()}
    counts = None if passed is None or of is None else (passed, of)
    if as_json:
        say_json({"judges": [_json(judge, one, counts) for judge, one in found.items()]})
    else:
        for judge, one in found.items():
            _say(judge or labelled.stem, one, counts)
        if not found:
            say(f"{labelled} holds no case: nothing is known of any judge")
    trusts = [one.assessment.trust for one in found.values()]
    raise typer.Exit(_UNDECIDED if not trusts else int(Trust.UNUSABLE in trusts))


def _say(judge: str, found: Calibration, counts: tuple[int, int] | None) -> None:
    errors, kappa = found.errors, found.kappa
    trust, rule = found.assessment
    rows = [
        ("sensitivity", _share(errors.passed, errors.true_passes), _interval(found.sensitivity)),
        ("specificity", _share(errors.failed, errors.true_fails), _interval(found.specificity)),
        ("agreement", _share(found.agreed, found.answered), _interval(found.agreement)),
        ("Youden's J", f"{found.youden:.3f}", _interval(found.youden_bounds)),
        ("Cohen's kappa", "none" if kappa is None else f"{kappa:.3f}", ""),
        ("outside the vocabulary", _share(found.outside, found.n), _interval(found.outside_bounds)),
        ("passed", _share(found.passed, found.answered), ""),
    ]
    for shown, (part, whole) in (("corrected", (found.passed, found.answered)), *_asked(counts)):
        fixed = found.corrected(part, whole)
        rows.append(
            (shown, "none" if fixed is None else f"{fixed.rate:.3f}", "" if fixed is None else _interval(fixed.bounds))
        )
    say_table(("", "share", f"{found.confidence:.0%} interval"), rows, title=f"{judge}: {found.n} labelled cases")
    say(f"{trust}: {rule}")
    if trust is not Trust.UNUSABLE:
        say(f"for a gate: judge_errors: {{{', '.join(f'{key}: {value}' for key, value in _counts(found).items())}}}")


def _json(judge: str, found: Calibration, counts: tuple[int, int] | None) -> dict[str, object]:
    trust, rule = found.assessment
    own = found.corrected(found.passed, found.answered)
    asked = None if counts is None else found.corrected(*counts)
    return {
        "judge": judge,
        "cases": found.n,
        "outside": found.outside,
        "outside_share": found.outside_share,
        "outside_interval": list(found.outside_bounds),
        "errors": _counts(found),
        "sensitivity": found.errors.sensitivity,
        "sensitivity_interval": list(found.sensitivity),
        "specificity": found.errors.specificity,
        "specificity_interval": list(found.specificity),
        "agreement": found.agreed / found.answered if found.answered else None,
        "agreement_interval": list(found.agreement),
        "kappa": found.kappa,
        "youden": found.youden,
        "youden_interval": list(found.youden_bounds),
        "pass_rate": found.passed / found.answered if found.answered else None,
        "corrected": None if own is None else {"rate": own.rate, "interval": list(own.bounds)},
        "asked": None
        if counts is None
        else {
            "passed": counts[0],
            "of": counts[1],
            "corrected": None if asked is None else {"rate": asked.rate, "interval": list(asked.bounds)},
        },
        "cases_needed": found.cases_needed,
        "trust": trust.value,
        "rule": rule,
    }


def _counts(found: Calibration) -> dict[str, int]:
    errors = found.errors
    return {
        "true_passes": errors.true_passes,
        "passed": errors.passed,
        "true_fails": errors.true_fails,
        "failed": errors.failed,
    }


def _asked(counts: tuple[int, int] | None) -> list[tuple[str, tuple[int, int]]]:
    return [] if counts is None else [(f"{counts[0]} of {counts[1]}, corrected", counts)]


def _rubric_json(rubric: Rubric) -> dict[str, object]:
    return {
        "name": rubric.name,
        "lowest": rubric.lowest,
        "highest": rubric.highest,
        "threshold": rubric.threshold,
        "is_severity": rubric.is_severity,
        "needs": [part.value for part in rubric.needs],
        "shows": [part.value for part in rubric.shows],
    }


def _passes(rubric: Rubric) -> str:
    return f"passes {'up to' if rubric.is_severity else 'from'} {rubric.threshold}"


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.3f} ({part} of {whole})" if whole else "none"


def _interval(bounds: Bounds) -> str:
    return f"{bounds.low:.3f} to {bounds.high:.3f}"


app.command("run", epilog="Example: surefoot judge run runs.jsonl --rubric relevance --model m --base-url URL")(run)
