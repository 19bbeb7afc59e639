"""The rules of the house that no linter knows: small pieces, frozen values, tests that read as sentences."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
SOURCES = sorted((REPOSITORY / "src").rglob("*.py"))
CORE = [path for path in SOURCES if path.is_relative_to(REPOSITORY / "src/surefoot/core")]
TESTS = sorted((REPOSITORY / "tests").rglob("test_*.py"))

MOST_LINES_IN_A_FILE = 500
MOST_LINES_IN_A_FUNCTION = 50
SLEEPERS = ("time", "asyncio", "anyio")
FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef


def name_of(path: Path) -> str:
    """A test's id: the file as the repository names it."""
    return str(path.relative_to(REPOSITORY))


@cache
def parsed(path: Path) -> ast.Module:
    """One file as a tree, read once."""
    return ast.parse(path.read_text(encoding="utf-8"))


def called(node: ast.AST) -> str:
    """`a.b.c` for a call or a decorator of that name."""
    function = node.func if isinstance(node, ast.Call) else node
    return ast.unparse(function) if isinstance(function, ast.Name | ast.Attribute) else ""


def every_test_of(path: Path) -> list[FunctionNode]:
    """Every test function and method of a file."""
    functions = [node for node in ast.walk(parsed(path)) if isinstance(node, FunctionNode)]
    return [node for node in functions if node.name.startswith("test")]


def waits(tree: ast.AST) -> list[int]:
    """Lines that wait by the clock, or take turns by guess, instead of waiting for what they wait for."""
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    return [call.lineno for call in calls if called(call) in {*(f"{module}.sleep" for module in SLEEPERS), "sleep"}]


def mocks(tree: ast.AST) -> list[int]:
    """Lines that replace a part instead of handing in a fake."""
    found = []
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names) if any("mock" in alias.name for alias in names):
                found.append(node.lineno)
            case ast.ImportFrom(module=str(module)) if "mock" in module:
                found.append(node.lineno)
            case ast.Call() if called(node) == "monkeypatch.setattr" or "Mock" in called(node):
                found.append(node.lineno)
    return found


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_files_and_functions_are_small(path):
    """A file fits into a head and a function on a screen."""
    functions = [node for node in ast.walk(parsed(path)) if isinstance(node, FunctionNode)]
    long = [f.name for f in functions if (f.end_lineno or 0) - f.lineno + 1 > MOST_LINES_IN_A_FUNCTION]
    assert long == []
    assert len(path.read_text(encoding="utf-8").splitlines()) <= MOST_LINES_IN_A_FILE


@pytest.mark.parametrize("path", CORE, ids=name_of)
def test_values_of_the_core_never_change(path):
    """A dataclass of the core is frozen, slotted and made with keywords."""
    for node in ast.walk(parsed(path)):
        for decorator in getattr(node, "decorator_list", []):
            if called(decorator).endswith("dataclass"):
                given = {word.arg for word in getattr(decorator, "keywords", []) if ast.unparse(word.value) == "True"}
                assert {"frozen", "slots", "kw_only"} <= given, f"line {decorator.lineno}"


@pytest.mark.parametrize("path", TESTS, ids=name_of)
def test_each_test_states_one_rule(path):
    """A test's docstring is one sentence that says what has to hold."""
    for test in every_test_of(path):
        sentence = ast.get_docstring(test) or ""
        complete = len(sentence.split()) >= 3 and sentence.rstrip(")`").endswith(".")
        assert complete, f"{test.name}, line {test.lineno}: {sentence!r}"


@pytest.mark.parametrize("path", sorted((REPOSITORY / "tests").rglob("*.py")), ids=name_of)
def test_no_test_waits_or_mocks(path):
    """Time in tests is an argument, and what is outside is a fake from surefoot.testing."""
    assert waits(parsed(path)) == []
    assert mocks(parsed(path)) == []


def test_the_rules_can_fail():
    """A sleep, a mock and a patched attribute are each found."""
    lines = [*(f"{module}.sleep(0)" for module in SLEEPERS), "import unittest.mock", "MagicMock()"]
    bad = ast.parse("\n".join([*lines, "monkeypatch.setattr(a, 'b', 1)"]))
    assert waits(bad) == [1, 2, 3]
    assert mocks(bad) == [4, 5, 6]
