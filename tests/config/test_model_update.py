"""A role gets another model: candidates appear, what is there stays what it is, and nothing is half-written."""

from __future__ import annotations

import pytest

from surefoot.config.agents import list_versions, load_version
from surefoot.config.files import NewFile, write_all
from surefoot.config.model_update import plan_update
from surefoot.config.registry import load_registry, registry_text
from surefoot.core.artifact.change import ModelChanged
from surefoot.core.artifact.diff import diff
from surefoot.core.artifact.models import parse_model
from surefoot.errors import AlreadyExists, ArtifactError, SettingsError, UnknownName, UsageError
from tests.config.projects import MODELS, VERSION, contents, make_project, put

NEW = parse_model("openai/gpt-4.1-2025-04-14")
PINNED = VERSION.replace("{role: planning,", "{role: planning, pinned: openai/gpt-4o-2024-08-06,")
OTHER = "model: {role: planning}\nprompt: x\n"


def update(root, role="planning", model=NEW, **options):
    """Plan and write."""
    planned = plan_update(root, role, model, **options)
    write_all(planned.files)
    return planned


def test_a_candidate_differs_in_the_model_and_in_nothing_else(tmp_path):
    """The new version is the newest one with another model, comments and style included."""
    root = make_project(tmp_path, v1=VERSION, v2=VERSION)
    (candidate,) = update(root).candidates
    new = load_version(root, "support", "v3")
    assert new == candidate.new
    (change,) = diff(load_version(root, "support", "v2"), new).changes
    assert change == ModelChanged(within="", old="openai/gpt-4o-2024-08-06", new=NEW.id, may_move=False)
    text = (root / "agents/support/v3.yaml").read_text()
    assert text == VERSION.replace("{role: planning,", f"{{role: planning, pinned: {NEW.id},")


def test_what_is_there_keeps_its_digest(tmp_path):
    """Versions that took their model from the role are pinned to the one they had, before the role moves."""
    root = make_project(tmp_path, v1=VERSION, v2=PINNED)
    put(root, "agents/other/v1.yaml", OTHER)
    before = {file.label: load_version(root, "support", file.label).digest for file in list_versions(root, "support")}
    other = load_version(root, "other", "v1").digest
    planned = update(root, agents=["support"])
    assert [file.path.relative_to(root).as_posix() for file in planned.pinned] == [
        "agents/other/v1.yaml",
        "agents/support/v1.yaml",
    ]
    assert {label: load_version(root, "support", label).digest for label in before} == before
    assert load_version(root, "other", "v1").digest == other
    assert [candidate.new.agent for candidate in planned.candidates] == ["support"]
    assert load_registry(root).resolve("planning") == NEW


def test_one_line_of_the_registry_changes(tmp_path):
    """The update touches the line of the role and leaves comments and other roles alone."""
    root = make_project(tmp_path)
    update(root)
    assert (root / "models.yaml").read_text() == MODELS.replace("openai/gpt-4o-2024-08-06", NEW.id)


def test_a_role_of_a_sub_agent_is_updated_too(tmp_path):
    """Wherever in the agent the role is used, block style or flow, the candidate has the new model there."""
    root = make_project(tmp_path)
    (candidate,) = update(root, "parsing").candidates
    (change,) = diff(candidate.old, candidate.new).changes
    assert isinstance(change, ModelChanged)
    assert change.within == "helper"
    assert "      role: parsing # small and fast\n      pinned: openai/gpt-4.1-2025-04-14\n" in candidate.file.text


def test_updating_again_changes_nothing(tmp_path):
    """An agent that already has the model needs no further candidate, and pinned files are not touched twice."""
    root = make_project(tmp_path)
    update(root)
    before = contents(root)
    planned = update(root)
    assert (planned.candidates, planned.pinned) == ((), ())
    assert contents(root) == before


def test_windows_line_ends_survive(tmp_path):
    """An inserted line ends like the others in its file."""
    root = make_project(tmp_path, v1=VERSION.replace("\n", "\r\n"))
    update(root, "parsing")
    raw = (root / "agents/support/v2.yaml").read_bytes()
    assert raw.count(b"\n") == raw.count(b"\r\n") == VERSION.count("\n") + 1


def test_a_new_role_is_asked_for(tmp_path):
    """A role that is not there yet is a typing error unless somebody says that it is new."""
    root = make_project(tmp_path)
    with pytest.raises(UnknownName) as caught:
        plan_update(root, "planing", NEW)
    assert "did you mean 'planning'?" in caught.value.hint
    update(root, "judging", new_role=True)
    assert (root / "models.yaml").read_text() == MODELS + f"  judging: {NEW.id}\n"
    bare = make_project(tmp_path / "bare", v1="model: a/b\nprompt: x\n")
    (bare / "models.yaml").unlink()
    update(bare, "judging", new_role=True)
    assert load_registry(bare).roles == ("judging",)


@pytest.mark.parametrize(
    ("model", "message"), [("openai/gpt-4o-latest", "alias that can move"), ("openai/gpt-4o", "names a family")]
)
def test_an_unpinned_model_is_refused(model, message, tmp_path):
    """A name that may stand for another model tomorrow plays no role, unless a family is accepted in words."""
    root = make_project(tmp_path)
    before = contents(root)
    with pytest.raises(ArtifactError, match=message):
        plan_update(root, "planning", parse_model(model))
    assert contents(root) == before
    if "family" in message:
        assert plan_update(root, "planning", parse_model(model), undated=True).new.name == "gpt-4o"


def test_a_broken_version_stops_the_update(tmp_path):
    """Whether a file that cannot be read uses the role is unknown, so nothing is changed."""
    root = make_project(tmp_path, v1=VERSION, v2="model: {role: planning}\nprompt: [\n")
    before = contents(root)
    with pytest.raises(ArtifactError, match="no YAML"):
        plan_update(root, "planning", NEW)
    with pytest.raises(UnknownName):
        plan_update(root, "planning", NEW, agents=["nobody"])
    assert contents(root) == before


def test_a_line_that_others_share_is_not_edited(tmp_path):
    """Where an alias would carry the edit elsewhere, a person has to do it."""
    shared = "model: &m {role: planning}\nprompt: x\nsub_agents:\n  helper: {model: *m, prompt: y}\n"
    root = make_project(tmp_path, v1=shared)
    with pytest.raises(UsageError):
        plan_update(root, "planning", NEW)
    put(root, "models.yaml", "roles:\n  planning: &x openai/gpt-4o-2024-08-06\n  parsing: *x\n")
    with pytest.raises(SettingsError, match="only the role"):
        registry_text(root, "planning", NEW)


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("roles:\n  planning: gpt-4o\n", 2, "names no model"),
        ("roles:\n  planning: openai/gpt-4o-latest\n", 2, "alias that can move"),
        ("roles:\n  Planning: a/b\n", 2, "cannot name a role"),
        ("role:\n  planning: a/b\n", 1, "unknown key 'role'"),
        ("roles:\n  planning: 4\n", 2, "expected text"),
    ],
)
def test_a_bad_registry_is_refused_with_its_line(text, line, message, tmp_path):
    """A mistake in models.yaml names the line and the role."""
    put(tmp_path, "models.yaml", text)
    with pytest.raises(SettingsError, match=message) as caught:
        load_registry(tmp_path)
    assert caught.value.message.startswith(f"models.yaml:{line}:")


def test_files_are_written_together_or_not_at_all(tmp_path):
    """When one of the new files is already there, or cannot be, the others are not there either."""
    there = put(tmp_path, "b.yaml", "old")
    before = contents(tmp_path)
    plan = [NewFile(path=tmp_path / "a.yaml", text="a"), NewFile(path=there, text="b")]
    with pytest.raises(AlreadyExists):
        write_all([*plan, NewFile(path=there, text="c", replaces=True)])
    with pytest.raises(UsageError, match="cannot write"):
        write_all([*plan[:1], NewFile(path=there / "c.yaml", text="c")])
    assert contents(tmp_path) == before
    write_all([*plan[:1], NewFile(path=there, text="new", replaces=True)])
    assert contents(tmp_path) == {"a.yaml": b"a", "b.yaml": b"new"}


def test_a_replacement_that_fails_takes_those_before_it_back(tmp_path):
    """What was replaced already has its old text again, what is new is gone, and no other file is left behind."""
    first, folder = put(tmp_path, "a.yaml", "old"), put(tmp_path, "folder/x", "x").parent
    before = contents(tmp_path)
    plan = [
        NewFile(path=tmp_path / "new.yaml", text="n"),
        NewFile(path=first, text="new", replaces=True),
        NewFile(path=tmp_path / "absent.yaml", text="n", replaces=True),
        NewFile(path=folder, text="no file", replaces=True),
    ]
    with pytest.raises(UsageError, match="cannot write") as error:
        write_all(plan)
    assert error.value.hint == "nothing was changed"
    assert contents(tmp_path) == before
