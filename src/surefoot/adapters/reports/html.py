"""A replay as one page: no script, nothing fetched, and nothing that a trace says is anything but text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from itertools import accumulate
from typing import Final

from ...core.proof.gate import Decision
from ...core.proof.replay import Outcome, outcome_of
from ...core.proof.replay_verdict import Replayed, Row, Totals
from ...core.proof.score import Result
from .replay_rows import total_rows, why_it_ended

__all__ = ["replay_page"]

_MOST_ROWS: Final = 500
_LEAST_LABELLED: Final = 90.0
_COLOURS: Final = {
    Outcome.PASS: "#2f7d4f",
    Outcome.FAIL: "#b3372f",
    Outcome.DIVERGED: "#8f5f0a",
    Outcome.STALE: "#5f646d",
    Outcome.UNJUDGED: "#757a83",
    Outcome.ERROR: "#5b3a8c",
}
_STYLE: Final = """
:root{color-scheme:light dark;--line:#8884}
body{font:15px/1.5 system-ui,sans-serif;max-width:72rem;margin:2rem auto;padding:0 1rem}
h1{font-size:1.4rem;margin-bottom:.2rem}h2{font-size:1.1rem;margin-top:2rem}
table{border-collapse:collapse;width:100%}
th,td{text-align:left;padding:.3rem .6rem;border-bottom:1px solid var(--line);vertical-align:top}
.n{text-align:right}td{overflow-wrap:anywhere}td.n{font-variant-numeric:tabular-nums;overflow-wrap:normal}
.chip{display:inline-block;padding:0 .5rem;border-radius:.6rem;color:#fff;white-space:nowrap}
.quiet{opacity:.7}svg{width:100%;height:auto}.key{margin-right:1rem;white-space:nowrap}
.key i{display:inline-block;width:.8rem;height:.8rem;border-radius:.2rem;margin-right:.3rem}
"""
_VERDICTS: Final = {
    Decision.PASSED: ("passed", "#2f7d4f"),
    Decision.FAILED: ("failed", "#b3372f"),
    Decision.UNDECIDED: ("not decided", "#8f5f0a"),
}


def replay_page(found: Replayed) -> str:
    """The whole page. At most 500 traces are listed, those that changed first; it says how many are left out."""
    said, colour = _VERDICTS[found.gates.decision]
    title = f"Replay: {found.baseline_label} → {found.candidate_label}"
    return "\n".join(
        (
            '<!doctype html><html lang="en"><head><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width,initial-scale=1">',
            "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">",
            f"<title>{escape(title)}</title><style>{_STYLE}</style></head><body>",
            f"<h1>{escape(title)} {_chip(said, colour)}</h1>",
            f'<p class="quiet">{escape(_named(found.suite))}, level {escape(found.level)}</p>',
            _plot(found),
            "<h2>What the gates say</h2>",
            _table(
                ("gate", "verdict", "why"),
                (
                    (escape(ruling.gate), _chip(*_VERDICTS[ruling.decision]), escape(ruling.reason))
                    for ruling in found.gates.rulings
                ),
            ),
            "<h2>Side by side</h2>",
            _table(("", found.baseline_label, found.candidate_label), _totals(found), numbers=True),
            *_traces(found.rows),
            "</body></html>\n",
        )
    )


def _named(suite: str) -> str:
    name, _, digest = suite.partition("@")
    return f"{name} ({digest[:19]})"


def _plot(found: Replayed) -> str:
    """How the replays of both versions ended, as two bars of equal length."""
    bars = [
        _bar(escape(label), totals, top)
        for label, totals, top in (
            (found.baseline_label, found.baseline_totals, 0),
            (found.candidate_label, found.candidate_totals, 44),
        )
    ]
    keys = "".join(
        f'<span class="key"><i style="background:{colour}"></i>{outcome}</span>'
        for outcome, colour in _COLOURS.items()
        if found.baseline_totals.outcomes.get(outcome) or found.candidate_totals.outcomes.get(outcome)
    )
    drawn = f'<svg viewBox="0 0 1000 88" role="img" aria-label="How the replays ended">{"".join(bars)}</svg>'
    return f"{drawn}<p>{keys}</p>"


def _bar(label: str, totals: Totals, top: int) -> str:
    shares = [(outcome, 1000 * totals.outcomes.get(outcome, 0) / max(1, totals.traces)) for outcome in _COLOURS]
    starts = [0.0, *accumulate(share for _, share in shares)]
    parts = [
        f'<rect x="{start:.2f}" y="{top + 18}" width="{share:.2f}" height="20" fill="{_COLOURS[outcome]}">'
        f"<title>{outcome}: {totals.outcomes[outcome]}</title></rect>{_inside(outcome, totals, start, share, top)}"
        for (outcome, share), start in zip(shares, starts, strict=False)
        if share
    ]
    return f'<text x="0" y="{top + 13}" font-size="13" fill="currentColor">{label}</text>{"".join(parts)}'


def _inside(outcome: Outcome, totals: Totals, start: float, share: float, top: int) -> str:
    """The number in words too, where there is room: not everybody tells red from green."""
    if share < _LEAST_LABELLED:
        return ""
    said = f"{outcome} {totals.outcomes[outcome]}"
    return f'<text x="{start + 6:.2f}" y="{top + 32}" font-size="12" fill="#fff">{said}</text>'


def _totals(found: Replayed) -> Iterable[tuple[str, str, str]]:
    for row in total_rows(found):
        name = f"· {escape(row.name)}" if row.is_part else escape(row.name)
        yield name, escape(row.baseline), escape(row.candidate)


def _traces(rows: Sequence[Row]) -> Iterable[str]:
    shown = sorted(rows, key=lambda row: not row.is_changed)[:_MOST_ROWS]
    left_out = len(rows) - len(shown)
    yield f"<h2>Traces</h2><p>{sum(row.is_changed for row in rows)} of {len(rows)} changed</p>"
    yield _table(
        ("trace", "baseline", "candidate", "why"),
        (
            (escape(row.case), _ended(row.baseline), _ended(row.candidate), escape(why_it_ended(row.candidate)))
            for row in shown
        ),
    )
    if left_out:
        yield f'<p class="quiet">{left_out} more are in the JSON report</p>'


def _ended(result: Result | None) -> str:
    if result is None:
        return "—"
    outcome = outcome_of(result)
    return _chip(outcome.value, _COLOURS[outcome])


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]], *, numbers: bool = False) -> str:
    """The cells are markup; the heads are text."""
    plain, number = "<td>", '<td class="n">' if numbers else "<td>"
    body = "".join(
        f"<tr>{plain}{row[0]}</td>{''.join(f'{number}{cell}</td>' for cell in row[1:])}</tr>" for row in rows
    )
    kind = ' class="n"' if numbers else ""
    named = "".join(f"<th{kind if place else ''}>{escape(head)}</th>" for place, head in enumerate(heads))
    return f"<table><thead><tr>{named}</tr></thead><tbody>{body}</tbody></table>"


def _chip(text: str, colour: str) -> str:
    return f'<span class="chip" style="background:{colour}">{escape(text)}</span>'
