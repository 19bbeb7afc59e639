"""Files that nobody lets us read, also where the tests run as root."""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

__all__ = ["locked"]

_VERSION_3 = 0x20080522
"""Linux: <linux/capability.h>."""

_OVERRIDES = 1 << 1 | 1 << 2
"""CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH."""


class _Header(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _Data(ctypes.Structure):
    _fields_ = (("effective", ctypes.c_uint32), ("permitted", ctypes.c_uint32), ("inheritable", ctypes.c_uint32))


@contextmanager
def locked(path: Path) -> Generator[None]:
    """Inside, nobody may read the file or folder; this thread is not root enough to do it all the same."""
    mode = path.stat().st_mode
    path.chmod(0)
    try:
        if os.geteuid() == 0:
            with _without_overrides():
                yield
        else:
            yield
    finally:
        path.chmod(mode)


@contextmanager
def _without_overrides() -> Generator[None]:
    if not sys.platform.startswith("linux"):
        pytest.skip("root reads everything here")
    libc = ctypes.CDLL(None, use_errno=True)
    header, data = _Header(_VERSION_3, 0), (_Data * 2)()
    assert libc.capget(ctypes.byref(header), data) == 0
    before = data[0].effective
    data[0].effective = before & ~_OVERRIDES
    assert libc.capset(ctypes.byref(header), data) == 0
    try:
        yield
    finally:
        data[0].effective = before
        assert libc.capset(ctypes.byref(header), data) == 0
