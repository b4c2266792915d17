"""Which of the client programs on this machine fit the server."""

from __future__ import annotations

from pathlib import Path

import pytest

from boot.backup.errors import Unavailable
from boot.backup.tools import Tools, choose, find, fits, with_tls

WHEEL_16 = Tools(Path("/wheel/pginstall/bin"), 16)
WHEEL_18 = Tools(Path("/wheel/pginstall18/bin"), 18)
DEBIAN_15 = Tools(Path("/usr/lib/postgresql/15/bin"), 15)
DEBIAN_16 = Tools(Path("/usr/lib/postgresql/16/bin"), 16)
DEBIAN_17 = Tools(Path("/usr/lib/postgresql/17/bin"), 17)


@pytest.mark.parametrize(
    ("server", "expected"),
    [(15, DEBIAN_15), (16, WHEEL_16), (17, DEBIAN_17), (18, WHEEL_18)],
)
def test_the_servers_own_version_is_taken_where_it_is_there(server: int, expected: Tools) -> None:
    """Of two of one version, the first found."""
    found = [WHEEL_16, WHEEL_18, DEBIAN_15, DEBIAN_16, DEBIAN_17]
    assert choose(found, server, f"{server}.1") == expected


def test_else_the_oldest_that_is_younger() -> None:
    """The less it knows that the server does not, the better."""
    assert choose([WHEEL_18, WHEEL_16], 17, "17.2") == WHEEL_18
    assert choose([WHEEL_18, WHEEL_16], 14, "14.2") == WHEEL_16


def test_a_younger_archive_takes_a_younger_pg_restore() -> None:
    """PostgreSQL 17's server takes what pg_dump 18 wrote, through pg_restore 18."""
    assert choose([DEBIAN_17, WHEEL_18], 17, "17.2", at_least=18) == WHEEL_18


def test_from_17_on_pg_restore_speaks_to_17_and_newer() -> None:
    """It sets transaction_timeout, so what it dumps from 16 could not go back to 16."""
    assert not fits(17, 16)
    assert fits(18, 17)
    assert not fits(16, 17)


def test_where_none_fits_the_message_names_all() -> None:
    """The server's version, what was found, and the package to install."""
    with pytest.raises(Unavailable) as caught:
        choose([DEBIAN_15, WHEEL_18], 16, "16.14")
    message = str(caught.value)
    for word in ("16.14", f"15 in {DEBIAN_15.folder}", f"18 in {WHEEL_18.folder}", "postgresql-client-16"):
        assert word in message
    with pytest.raises(Unavailable, match="found: none"):
        choose([], 16, "16.14")


def test_the_wheels_programs_are_found() -> None:
    """Both versions, before any other."""
    assert [tools.major for tools in find("")][:2] == [16, 18]


def test_a_folder_on_the_path_counts_when_it_holds_all_that_run(tmp_path: Path) -> None:
    """Three programs; a pg_dump that cannot say its version is none."""
    whole, part, broken = (tmp_path / name for name in ("whole", "part", "broken"))
    for folder, names in (
        (whole, "pg_dump pg_restore psql"),
        (part, "pg_dump"),
        (broken, "pg_dump pg_restore psql"),
    ):
        folder.mkdir()
        for name in names.split():
            (folder / name).write_text(
                "not a program" if folder == broken else "#!/bin/sh\necho 'pg_dump (PostgreSQL) 21beta1'\n"
            )
            (folder / name).chmod(0o755)
    assert [tools for tools in find(f"{part}:{broken}::{whole}") if tmp_path in tools.folder.parents] == [
        Tools(whole, 21)
    ]


def test_the_wheels_programs_get_a_libpq_that_speaks_tls() -> None:
    """Over a network; a socket needs none."""
    wheel = next(find(""))
    network = with_tls(wheel, {"PGHOST": "db.internal"})
    assert Path(network["LD_PRELOAD"]).name.startswith("libpq")
    assert with_tls(wheel, {"PGHOST": "/run/postgresql"}) == {"PGHOST": "/run/postgresql"}
    assert with_tls(wheel, {}) == {}
