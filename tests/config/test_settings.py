"""`surefoot.yaml`: defaults without it, errors that name the line, secrets from the environment alone."""

from __future__ import annotations

import traceback
from datetime import timedelta
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from surefoot.config.settings import SETTINGS, Address, ControllerMode, WhenSilent, find_project, load_settings
from surefoot.errors import SettingsError
from surefoot.store import open_feed, open_store

ROOT = Path("/srv/shop")


def load(tmp_path, text, **environ):
    (tmp_path / "surefoot.yaml").write_text(text)
    return load_settings(tmp_path, environ)


def test_without_a_file_every_default_holds():
    """A new project needs no settings."""
    settings = load_settings(ROOT, {})
    assert settings.store.url == "sqlite:////srv/shop/.surefoot/surefoot.db"
    assert settings.spool.parent == settings.snapshot.parent
    assert settings.spool.parent.parent == ROOT / ".surefoot"
    assert settings.controller is ControllerMode.EMBEDDED
    assert not settings.durable
    assert settings.lease is None
    assert settings.stable == {}


@pytest.mark.parametrize("text", ["", "# nothing yet\n", "---\n"])
def test_an_empty_file_is_as_good_as_none(tmp_path, text):
    """A file that says nothing changes nothing."""
    assert load(tmp_path, text).durable is False


def test_what_is_written_is_what_holds(tmp_path):
    """Every key is read from the file, and only from there."""
    settings = load(
        tmp_path,
        """
store: sqlite:///data/shop%23.db
controller: external
durable: true
spool: /var/spool/surefoot
stable:
  support-agent: "1.10"
lease: {after: 10m, then: nobody}
""",
    )
    assert settings.store.url == f"sqlite:///{tmp_path}/data/shop%23.db"
    assert settings.controller is ControllerMode.EXTERNAL
    assert settings.durable
    assert settings.spool == Path("/var/spool/surefoot")
    assert settings.stable == {"support-agent": "1.10"}
    assert settings.lease == (timedelta(minutes=10), WhenSilent.NOBODY)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("durabel: true", "surefoot.yaml:1:1: durabel: unknown key 'durabel'"),
        ("durable: yes", "expected true or false"),
        ("durable: null", "expected true or false"),
        ("\ncontroller: embeded", "surefoot.yaml:2:13: controller: 'embeded' is not one of"),
        ("store: postgresql://me:secret@db/shop", "a password in a file"),
        ("store: postgresql://db/shop?password=secret", "a password in a file"),
        ("store: postgresql://db/shop?sslpassword=secret", "a password in a file"),
        ("store: postgresql://me:se/cret@db/shop", "surefoot.yaml:1:8: store: the store's address cannot be read"),
        ("store: shop.db", "surefoot.yaml:1:8: store: the store's address has no scheme"),
        ("store_env: SHOP_STORE", "the environment variable SHOP_STORE is not set"),
        ("store_env: $SHOP", "no name of an environment variable"),
        ("lease: {after: 10m}", "the key 'then' is missing"),
        ("lease: {after: 0s, then: stable}", "a lease of no time"),
        ("stable: {support-agent: 1.10}", "expected text"),
        ("- a list", "expected a mapping"),
    ],
)
def test_a_mistake_is_named_with_its_line_and_what_to_do(tmp_path, text, says):
    """Nothing invalid survives loading."""
    with pytest.raises(SettingsError) as found:
        load(tmp_path, text)
    assert says in found.value.message
    assert found.value.hint
    assert "secret" not in found.value.message


def test_the_environment_has_the_last_word_on_the_store(tmp_path):
    """The address with its password comes from a variable, whichever the file names."""
    url = "postgresql://me:secret@db/shop"
    assert load(tmp_path, "store: sqlite:///x.db", SUREFOOT_STORE=url).store.url == url
    assert load(tmp_path, "store_env: DB", DB=url, SUREFOOT_STORE="no").store.url == url
    assert load(tmp_path, "store: sqlite:///x.db\nstore_env: DB").store.url == f"sqlite:///{tmp_path}/x.db"


def test_an_address_shows_itself_without_its_password():
    """Neither in logs nor in tracebacks."""
    address = Address("postgresql://me:secret@db:5432/shop?password=secret")
    assert "secret" not in f"{address} {address!r}"
    assert str(address) == "postgresql://me@db:5432/shop"


TORN = [
    "postgresql://u:p/ssw0rd@localhost/db",
    "postgresql://u:12/ssw0rd@localhost:1/db",
    "postgresql://u:p#ssw0rd@localhost/db",
    "postgresql://u:12#ssw0rd@localhost/db",
    "postgresql://u:12#ssw0rd",
    "postgresql://u:p?ssw0rd@localhost/db",
    "postgresql://u:12?ssw0rd@localhost/db",
    "postgresql://u:p@h:ssw0rd/db",
    "postgresql://u:ssw0rd@[::1/db",
    "postgresql://u:[ssw0rd@localhost/db",
    "u:ssw0rd@x://localhost/db",
]


@pytest.mark.parametrize("url", TORN)
def test_of_an_address_that_is_torn_nothing_is_repeated(tmp_path, url):
    """A password with signs of its own: the error says how to write it, from whichever side the address comes."""
    for load_it in (
        lambda: load(tmp_path, "", SUREFOOT_STORE=url),
        lambda: load_settings(tmp_path, {}, store=url),
        lambda: load(tmp_path, f"store: '{url}'"),
        lambda: Address(url),
        lambda: open_store(url),
        lambda: open_feed(url),
    ):
        with pytest.raises(SettingsError) as found:
            load_it()
        said = "".join(traceback.format_exception(found.value, limit=0))
        assert "ssw0rd" not in said
        assert ("%40" in found.value.hint) or ("scheme" in found.value.message)


@given(st.text(alphabet=st.characters(codec="ascii", categories=("L", "N", "P", "S")), min_size=1, max_size=8))
def test_no_part_of_a_password_is_ever_shown(password):
    """Percent-encoded it is read and left out; as it is, it is left out too or the address is refused."""
    secret = f"Zq{password}qZ"
    for written in (secret, quote(secret, safe="")):
        try:
            shown = str(Address(f"postgresql://me:{written}@db:5432/shop"))
        except SettingsError as error:
            shown = error.message + error.hint
            assert written == secret
        assert "Zq" not in shown
        assert "qZ" not in shown


def test_several_hosts_are_one_address():
    """As libpq has it; options are not shown."""
    address = Address("postgresql://me:secret@a:5432,[::1]:5433/shop?target_session_attrs=primary")
    assert str(address) == "postgresql://me@a:5432,[::1]:5433/shop"


def test_a_project_is_found_from_anywhere_inside_it(tmp_path):
    """As git does: the nearest folder above that holds the file."""
    inside = tmp_path / "src" / "deep"
    inside.mkdir(parents=True)
    assert find_project(None, inside) == inside
    (tmp_path / "surefoot.yaml").write_text("")
    assert find_project(None, inside) == tmp_path
    assert find_project(inside, tmp_path) == inside
    with pytest.raises(SettingsError, match="no such folder"):
        find_project(tmp_path / "gone", tmp_path)


def test_every_setting_is_described():
    """Key, values, default and meaning; each key is read, because an unknown one is an error."""
    assert all(all(part.strip() for part in setting) for setting in SETTINGS)
    assert len({setting.key for setting in SETTINGS}) == len(SETTINGS) == 10


def test_a_store_elsewhere_has_what_is_kept_beside_itself(tmp_path):
    """Nothing of a temporary store stays in the project; one that ends with the process keeps no snapshot."""
    settings = load_settings(ROOT, {}, store=f"sqlite:///{tmp_path}/my%20store.db")
    assert settings.spool == tmp_path / "my store.db-kept" / "spool"
    assert settings.snapshot == tmp_path / "my store.db-kept" / "snapshot"
    assert load_settings(ROOT, {}, store="memory://x").snapshot is None


def test_what_is_kept_on_disk_belongs_to_one_store():
    """Evidence that waits for one store is never shipped to another."""
    here = load_settings(ROOT, {})
    there = load_settings(ROOT, {}, store="postgresql://ann:secret@db/shop")
    assert here.spool != there.spool
    assert here.snapshot != there.snapshot
    assert "secret" not in str(there.spool)
