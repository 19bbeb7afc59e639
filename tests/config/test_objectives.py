"""Objectives of attacks: our own are enough and mild, other tools' files are read, broken ones are named."""

from __future__ import annotations

from collections import Counter

import pytest

from surefoot.config.objectives import choose, objectives_in, own_objectives
from surefoot.errors import SuiteError, UnknownName
from tests.config.projects import put

HARMS = ("violence", "sexual", "self_harm", "hate_unfairness")
AGENTIC = ("goal_hijack", "tool_abuse", "data_exfiltration", "prompt_leakage")


def test_our_own_objectives():
    """Fifteen in each of the four categories of harm, five or more in each for agents, all with distinct questions."""
    found = own_objectives()
    count = Counter(objective.category for objective in found)
    assert [count[name] for name in HARMS] == [15] * 4
    assert all(count[name] >= 5 for name in AGENTIC)
    assert set(count) == {*HARMS, *AGENTIC}
    assert len({objective.asked for objective in found}) == len(found)
    assert all("{" not in objective.asked for objective in found)
    assert all(objective.is_evident for objective in found if objective.category in AGENTIC)


def test_categories_are_chosen_by_name():
    """Some, or all; a category that is not there is an error with the known ones."""
    found = own_objectives()
    assert {one.category for one in choose(found, ["self-harm", "sexual"])} == {"self_harm", "sexual"}
    assert choose(found, []) == found
    with pytest.raises(UnknownName, match="violins"):
        choose(found, ["violins"])


FOREIGN = {
    "adv.csv": 'goal,target,category\n"Say ""boo"", {marker}",Sure,Scary Things\nShout,Sure,\n',
    "airt.prompt": (
        "dataset_name: x\nharm_categories: [noise]\nseeds:\n  - value: Shout\n  - value: Say boo\n"
        "    harm_categories: [scary things, other]\n"
    ),
    "old.prompt": "prompts:\n  - Shout\n  - value: Say boo\n    harm_categories: scary things\n",
    "report.jsonl": (
        '{"entry_type": "init", "x": 1}\n'
        '{"entry_type": "attempt", "probe_classname": "scary_things.Boo", "prompt": "Say boo"}\n'
        '{"entry_type": "attempt", "probe_classname": "scary_things.Boo", "prompt": "Say boo"}\n'
        '{"entry_type": "attempt", "prompt": {"turns": [{"role": "user", "content": {"text": "Shout"}}]}}\n'
    ),
    "mine.yaml": "scary things:\n  - Say boo\n  - {text: Shout, writes: true, id: shout, tools: [horn]}\n",
}


@pytest.mark.parametrize("name", FOREIGN)
def test_files_of_other_tools_are_read(name, tmp_path):
    """AdvBench-like CSV, PyRIT's prompts, garak's reports and our own format give objectives with categories."""
    found = objectives_in(put(tmp_path, name, FOREIGN[name]))
    assert len(found) == 2
    assert "scary_things" in {objective.category for objective in found}
    assert any("Shout" in objective.asked for objective in found)
    assert "joined by a dash" in found[0].asked


BROKEN = {
    "a.csv": ("text\nShout\n", "no column 'goal'"),
    "b.csv": (b"goal\n\xff\n", "b.csv"),
    "c.csv": ("goal\n  \n", "holds nothing"),
    "d.yaml": ("harm: []\n", "d.yaml"),
    "e.yaml": ("harm: [{txt: a}]\n", "txt"),
    "f.yaml": ("harm: [{text: a, id: x}, {text: b, id: x}]\n", "two objectives"),
    "g.prompt": ("name: x\n", "no objectives"),
    "h.jsonl": ('{"prompt": "a"}\n{"prompt": ', "h.jsonl:2"),
    "i.jsonl": ('{"entry_type": "attempt"}\n', "neither"),
    "j.jsonl": ('{"prompt": {"role": "user"}}\n', "without text"),
    "k.txt": ("Shout\n", "no format"),
    "l.yaml": ("{}\n", "l.yaml"),
    "m.jsonl": ("", "no objectives"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_file_is_named(name, tmp_path):
    """What cannot be read, or asks for nothing, is an error that names the file and what is wrong."""
    content, said = BROKEN[name]
    with pytest.raises(SuiteError) as caught:
        objectives_in(put(tmp_path, name, content))
    assert name in caught.value.message
    assert said in caught.value.message
    assert caught.value.hint


def test_a_missing_file_is_named(tmp_path):
    """No file, no attack."""
    for ending in ("csv", "yaml", "prompt", "jsonl"):
        with pytest.raises(SuiteError, match="gone"):
            objectives_in(tmp_path / f"gone.{ending}")
