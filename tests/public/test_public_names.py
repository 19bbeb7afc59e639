"""Each module says what is public, completely."""

from __future__ import annotations

import ast
import importlib
from pathlib import Path

import pytest

import surefoot

PACKAGE = Path(surefoot.__file__).parent
FILES = {
    ".".join(("surefoot", *path.relative_to(PACKAGE).with_suffix("").parts)).removesuffix(".__init__"): path
    for path in sorted(PACKAGE.rglob("*.py"))
    if path.name != "__main__.py"
}
MODULES = sorted(FILES)
NOT_FOR_EXPORT = {"TypeVar", "ParamSpec", "TypeVarTuple"}


def _defined(tree: ast.Module) -> set[str]:
    names: set[str] = set()
    for node in tree.body:
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                names.add(node.name)
            case ast.Assign(value=ast.Call(func=ast.Name(id=made_by))) if made_by in NOT_FOR_EXPORT:
                pass
            case ast.Assign():
                names.update(target.id for target in node.targets if isinstance(target, ast.Name))
            case ast.AnnAssign(target=ast.Name(id=name)):
                names.add(name)
    return {name for name in names if not name.startswith("_")}


def _handed_on(tree: ast.Module) -> set[str]:
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.level > 0]
    return {alias.asname or alias.name for node in imports for alias in node.names}


def _exported(tree: ast.Module) -> list[str]:
    for node in tree.body:
        match node:
            case ast.Assign(targets=[ast.Name(id="__all__")], value=names):
                return list(ast.literal_eval(names))
    return []


@pytest.mark.parametrize("name", MODULES)
def test_what_a_module_defines_is_public_or_has_an_underscore(name):
    """Nothing is public by accident: `__all__` names all that is defined here, and else only what is handed on."""
    tree = ast.parse(FILES[name].read_text(encoding="utf-8"))
    defined, exported = _defined(tree), _exported(tree)
    assert sorted(defined - set(exported)) == []
    assert sorted(set(exported) - defined - _handed_on(tree)) == []


@pytest.mark.parametrize("name", MODULES)
def test_every_exported_name_is_there(name):
    """`from module import *` never fails, and no name is listed twice (their order is ruff's business: RUF022)."""
    exported = getattr(importlib.import_module(name), "__all__", [])
    assert len(set(exported)) == len(exported)
    assert [export for export in exported if not hasattr(importlib.import_module(name), export)] == []
