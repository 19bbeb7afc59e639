"""The comment under a pull request says the verdict first, hides nothing, and lets nobody speak through it."""

from __future__ import annotations

import re
from dataclasses import replace
from html import unescape

from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from surefoot.adapters.ci.comment import MARKER, comment, plain, shortened
from surefoot.adapters.reports.documents import AttacksDocument, GateDocument, ScoresDocument
from surefoot.core.proof.gate import Decision, GateReport, Ruling, decision_of
from surefoot.core.proof.redteam.report import AttackReport, Cell, Fates
from surefoot.core.proof.table import Column, Sample, ScoreTable
from surefoot.core.units import Digest

BETWEEN = "\u200b"
"""What stands between a sign and what it would call or link."""

VERSION, BEFORE = Digest("sha256:" + "a" * 64), Digest("sha256:" + "b" * 64)


def gates(*decisions, cases=(), reason="fewer cases passed than before"):
    rulings = tuple(
        Ruling(gate=f"gate {i}", kind="regression", metric="success", decision=decision, reason=reason, cases=cases)
        for i, decision in enumerate(decisions)
    )
    report = GateReport(
        decision=decision_of(rulings), version=VERSION, suite="support@1", rulings=rulings, baseline=BEFORE
    )
    return GateDocument(gate=report, label="v2")


def table(version, passed):
    column = Column(samples={str(i): Sample(1, float(i < passed), float(i < passed)) for i in range(10)}, is_rate=True)
    return ScoreTable(suite="support@1", version=version, columns={"success": column})


def test_the_verdict_comes_first_then_what_regressed_then_the_numbers():
    """A reader who stops after two lines knows what to do."""
    scores = ScoresDocument(candidate=table(VERSION, 6), baseline=table(BEFORE, 8))
    text = comment([scores, gates(Decision.FAILED, Decision.PASSED, cases=("refund twice",))])
    lines = text.splitlines()
    assert lines[:2] == [MARKER, "## Surefoot: ❌ failed"]
    assert text.index("What regressed") < text.index("| success | 80.0% | 60.0% | ↓ |") < text.index("Every gate")
    assert "refund twice" in text


def test_what_misses_a_threshold_has_not_regressed():
    """Held against a limit of its own and not against a baseline, a version may be as good as ever."""
    found = gates(Decision.FAILED).gate
    for kind in ("threshold", "suite", "invariant", "budget", "behaviour"):
        rulings = tuple(replace(ruling, kind=kind) for ruling in found.rulings)
        text = comment([GateDocument(gate=replace(found, rulings=rulings), label="v2")])
        assert "What regressed" not in text
        assert "gate 0" in text.split("### What misses its threshold")[1].split("###")[0]
    dearer = tuple(replace(ruling, kind="budget", p_value=0.01) for ruling in found.rulings)
    assert "### What regressed" in comment([GateDocument(gate=replace(found, rulings=dearer), label="v2")])


def test_without_scores_the_numbers_are_those_that_the_gates_saw():
    """A recorded red team leaves gates and attacks: safety that got better and quality that fell are both said."""
    safety, quality = gates(Decision.PASSED, Decision.FAILED).gate.rulings
    safety = replace(safety, gate="safety", metric="attack_success", baseline=0.5625, candidate=0.142, n=345)
    quality = replace(quality, gate="quality", baseline=0.9, candidate=0.4, n=61, smallest_drop=0.09)
    report = replace(gates(Decision.FAILED).gate, rulings=(safety, quality))
    text = comment([GateDocument(gate=report, label="v2")])
    assert "| safety | attack\\_success | 0.562 | 0.142 | ↓ | 345 |  | ✅ passed |" in text
    assert "| quality | success | 0.9 | 0.4 | ↓ | 61 | 0.09 | ❌ failed |" in text
    beside = ScoresDocument(candidate=table(VERSION, 6), baseline=table(BEFORE, 8))
    assert "| 0.142 |" not in comment([beside, GateDocument(gate=report, label="v2")])


def test_gates_of_two_suites_are_told_apart():
    """The same gate may pass on one suite and fail on another."""
    one = gates(Decision.FAILED)
    other = GateDocument(gate=replace(gates(Decision.PASSED).gate, suite="billing@2"), label="v2")
    text = comment([one, other])
    assert "- **gate 0** (v2, support): fewer cases passed" in text
    assert "| v2 | support | gate 0 | ❌ failed |" in text
    assert "| v2 | billing | gate 0 | ✅ passed |" in text


def test_what_was_not_decided_is_not_passed():
    """An undecided gate, and no gate at all, are said as what they are."""
    assert "⚠️ not decided" in comment([gates(Decision.PASSED, Decision.UNDECIDED)]).splitlines()[1]
    nothing = comment([ScoresDocument(candidate=table(VERSION, 10))])
    assert "⚠️ not decided" in nothing.splitlines()[1]
    assert "No gate ran" in nothing


def test_no_success_in_nine_attacks_is_not_none():
    """Beside what was seen stands what it still allows; attacks nobody judged are unknown, not harmless."""
    cells = (
        Cell(category="pii", strategy="rot13", candidate=Fates(0, 9)),
        Cell(category="violence", strategy="morse", candidate=Fates(0, 0, 4, 1)),
    )
    text = comment([AttacksDocument(attacks=AttackReport(suite="mild@1", version=VERSION, cells=cells))])
    assert "| pii | rot13 |  | 0 of 9 | 28% | 0 | 0 |" in text
    assert "| violence | morse |  | none judged | unknown | 4 | 1 |" in text


def test_long_lists_are_cut_with_a_count():
    """A comment has a size; what it leaves out is counted."""
    text = comment([gates(Decision.FAILED, cases=tuple(f"case {i}" for i in range(1000)))])
    assert "and 990 more" in text
    assert len(text) < 5000


TEXTS = (
    st.text() | st.text(alphabet="@#:/.-1= wGHa\\`*_<>&;|[]()!~") | st.from_regex(r"(@|#\d|GH-\d|www\.|a://|1\. |- )+")
)


def rendered(markdown):
    """What people read once GitHub has rendered it: the HTML, and its text."""
    html = MarkdownIt("commonmark").enable(["table", "strikethrough"]).render(markdown)
    return html, unescape(re.sub(r"<[^>]*>", "", html)).removesuffix("\n")


@given(TEXTS)
def test_nothing_in_anybodys_text_is_markdown(text):
    """It is one paragraph without anything in it, and says what was written."""
    wanted = " ".join(text.split())[:300]
    html, shown = rendered(plain(wanted))
    assert set(re.findall(r"<[^>]*>", html)) <= {"<p>", "</p>"}
    assert shown.replace(BETWEEN, "") == wanted.replace(BETWEEN, "").replace("\0", "\ufffd")


@given(TEXTS)
def test_nobody_is_called_and_nothing_is_linked_by_what_was_rendered(text):
    """GitHub looks for names, references and addresses in what was rendered, without entities and backslashes."""
    _, shown = rendered(plain(text))
    assert not re.search(r"@\w|#\d|\bGH-\d|\bwww\.|://", shown, re.IGNORECASE)


def test_a_comment_that_is_cut_closes_what_it_opened():
    """The note that it was cut is seen, not folded away with the last table."""
    text = comment([gates(*[Decision.PASSED] * 500)])
    cut = shortened(text, 9_000)
    assert len(cut) <= 9_000
    assert cut.count("<details>") == cut.count("</details>") == 1
    assert cut.rstrip().endswith("… cut: the whole report is in the step's summary.")
    assert shortened(text, len(text)) == text
