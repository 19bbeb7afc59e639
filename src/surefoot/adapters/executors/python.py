"""What a project's files name in Python: `module:name`."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ...errors import ArtifactError, SurefootError

__all__ = ["function_named"]


def function_named(named: str, project: Path, *, who: str) -> Callable[..., Any]:
    """
    The function behind `module:function`; the project's folder is on the import path, first, from then on.

    `who` begins the ArtifactError that is raised for one that is not there or cannot be called.
    """
    module, _, path = named.partition(":")
    folder = str(project.resolve())
    if folder not in sys.path:
        sys.path.insert(0, folder)
    try:
        found: Any = importlib.import_module(module)
        for name in path.split("."):
            found = getattr(found, name)
    except (ImportError, AttributeError, ValueError) as error:
        raise ArtifactError(
            f"{who}, {named}, is not there: {error}", hint=f"modules are looked for in {folder}"
        ) from error
    except SurefootError:
        raise
    except Exception as error:  # the module is the user's, and may raise anything when it is imported
        raise ArtifactError(
            f"{who}, {named}, cannot be imported: {type(error).__name__}: {error}",
            hint="a replay keeps credentials from it: if one is missing, say --allow-env NAME",
        ) from error
    if not callable(found):
        raise ArtifactError(f"{who}, {named}, cannot be called", hint="name a function")
    function: Callable[..., Any] = found
    return function
