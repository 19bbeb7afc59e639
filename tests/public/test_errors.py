"""The errors are one tree, drawn where they are defined, and every page about them is written from it."""

from __future__ import annotations

import re
import traceback

import pytest

from scripts.generate_docs import PAGES, error_tree, stale_pages
from surefoot import errors

EVERY_ERROR = [error for _, error in error_tree(errors.SurefootError)]


def test_the_drawn_tree_is_the_tree_of_classes():
    """Whoever reads the docstring of errors.py sees each class under its parent, and no other."""
    drawn = [
        (len(indent) // 2, name)
        for indent, name in re.findall(r"^( *)[*x+-] (\w+)  ", errors.__doc__ or "", flags=re.MULTILINE)
    ]
    assert drawn == [(depth, error.__name__) for depth, error in error_tree(errors.SurefootError)]


def test_every_exported_class_is_in_the_tree():
    """An error that surefoot.errors exports is a SurefootError, so one `except` catches all of them."""
    exported = [name for name in errors.__all__ if isinstance(getattr(errors, name), type)]
    assert sorted(error.__name__ for error in EVERY_ERROR) == sorted(exported)


def test_each_error_has_a_code_of_its_own():
    """A code leads to exactly one class, so a script may rely on it."""
    codes = [error.__dict__.get("code") for error in EVERY_ERROR]
    assert None not in codes
    assert len(set(codes)) == len(codes)


@pytest.mark.parametrize("error", EVERY_ERROR, ids=lambda error: error.__name__)
def test_each_error_says_what_to_do_next(error):
    """No error can be made without a hint, and what it means is written down."""
    with pytest.raises(TypeError):
        error("something happened")
    assert error.__doc__


@pytest.mark.parametrize("error", [errors.UsageError("no", hint="do this"), errors.UnknownName("agent", "x", ("bot",))])
def test_a_traceback_ends_with_what_to_do_next(error):
    """Who uses Python sees the hint where the command line shows it, and the message stays what it is."""
    shown = "".join(traceback.format_exception(error))
    assert shown.rstrip().endswith(f"hint: {error.hint}")
    assert str(error) == error.message


@pytest.mark.parametrize("page", sorted(PAGES))
def test_generated_pages_are_what_the_code_says(page):
    """A page drawn from the code cannot go stale without a red build."""
    assert page not in stale_pages()
