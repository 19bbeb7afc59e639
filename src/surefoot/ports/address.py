"""What a store's address says, without the password that it may hold."""

from __future__ import annotations

import re
from typing import Final, NamedTuple
from urllib.parse import parse_qsl, urlsplit

from ..errors import SettingsError

__all__ = ["Parts", "parts_of"]

_SCHEME: Final = re.compile(r"[a-z][a-z0-9+.-]*")
_HOST: Final = re.compile(r"(\[[0-9A-Fa-f:.%a-z]+\]|[^\[\]:@]*)(:[0-9]*)?")
_FILES: Final = frozenset({"memory", "sqlite"})
"""Schemes whose addresses name no server: any sign may be part of a file's name."""

_HINT: Final = (
    "percent-encode what the user name and the password hold of @ : / ? # [ ] and %: @ is %40, : is %3A, / is %2F, "
    "? is %3F, # is %23, % is %25"
)


class Parts(NamedTuple):
    """An address that can be shown."""

    scheme: str
    shown: str
    """Without password and options."""

    path: str
    has_password: bool


def parts_of(url: str) -> Parts:
    """
    An address taken apart.

    Raises SettingsError, which repeats nothing of the address, where a password with signs of its own has torn it: what
    looks like host or database may be half of the password.
    """
    scheme, separator, rest = url.partition("://")
    if not separator or not _SCHEME.fullmatch(scheme):
        raise SettingsError("the store's address has no scheme", hint="write sqlite:///surefoot.db or postgresql://...")
    if scheme in _FILES:
        return Parts(scheme, url, rest, has_password=False)
    try:
        found = urlsplit(url)
    except ValueError:
        raise _torn() from None
    userinfo, at, hosts = found.netloc.rpartition("@")
    user, colon, _ = userinfo.partition(":")
    is_whole = all(_HOST.fullmatch(host) for host in hosts.split(","))
    if not is_whole or found.fragment or "#" in url or "@" in found.path or "@" in found.query:
        raise _torn()
    shown = f"{scheme}://{user}{at}{hosts.lower()}{found.path}"
    options = {name.lower() for name, _ in parse_qsl(found.query, keep_blank_values=True)}
    return Parts(scheme, shown, found.path, has_password=bool(colon) or any("password" in name for name in options))


def _torn() -> SettingsError:
    return SettingsError("the store's address cannot be read", hint=_HINT)
