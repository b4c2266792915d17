"""From DATABASE_URL to the environment of PostgreSQL's programs."""

from __future__ import annotations

from urllib.parse import quote

import dj_database_url
import pytest

from boot.backup.connection import environment
from boot.backup.errors import WrongConfiguration

NASTY = "p @:/?#[]%&=+'\"\\ ü\t$(id)`"


def _settings(url: str) -> dict[str, str]:
    """The PG... variables alone."""
    found = environment(url, {})
    assert found.pop("LC_ALL")
    return found


def test_user_password_host_port_and_name_are_decoded() -> None:
    """Any character may stand in a password, percent-encoded."""
    url = f"postgresql://{quote('a@b')}:{quote(NASTY, safe='')}@db.internal:6432/{quote('my db')}"
    assert _settings(url) == {
        "PGUSER": "a@b",
        "PGPASSWORD": NASTY,
        "PGHOST": "db.internal",
        "PGPORT": "6432",
        "PGDATABASE": "my db",
        "PGCONNECT_TIMEOUT": "10",
    }


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://u:p%40@h:1/d?sslmode=verify-full&sslrootcert=/a%20b",
        "postgres://u@:5432/d?host=%2Ftmp%2Frun",
        "postgresql://%2Fvar%2Frun%2FDB/d",
        "postgresql://u@Host/d?host=other&user=else&dbname=e",
        "postgresql://u@[::1]:5433/d?options=-c%20work_mem%3D1MB",
    ],
)
def test_a_url_means_what_it_means_to_django(url: str) -> None:
    """What stands before the query wins over the query, as in Django's connection."""
    parsed = dj_database_url.parse(url)
    options = {name: str(value) for name, value in parsed.get("OPTIONS", {}).items()}
    names = {"user": "USER", "password": "PASSWORD", "host": "HOST", "port": "PORT", "dbname": "NAME"}
    expected = options | {name: str(parsed[key]) for name, key in names.items() if parsed.get(key)}  # type: ignore[literal-required]  # keys are of a TypedDict
    found = _settings(url)
    translated = {
        "PGSSLMODE": "sslmode", "PGSSLROOTCERT": "sslrootcert", "PGOPTIONS": "options", "PGUSER": "user",
        "PGPASSWORD": "password", "PGHOST": "host", "PGPORT": "port", "PGDATABASE": "dbname",
    }  # fmt: skip
    assert {translated[name]: text for name, text in found.items() if name in translated} == expected


def test_several_hosts_keep_their_ports() -> None:
    """As SQLAlchemy takes them."""
    found = _settings("postgresql://u@/d?host=a:5433&host=b&target_session_attrs=read-write")
    assert (found["PGHOST"], found["PGPORT"]) == ("a,b", "5433,5432")
    assert found["PGTARGETSESSIONATTRS"] == "read-write"


def test_a_schema_is_found_as_dj_database_url_does_it() -> None:
    """currentSchema is no parameter of libpq's."""
    assert _settings("postgresql://h/d?currentSchema=own")["PGOPTIONS"] == "-c search_path=own"


def test_djangos_own_parameters_and_tuning_are_left_out() -> None:
    """libpq would refuse them, or reads them from no variable."""
    found = _settings("postgresql://h/d?pool=true&isolation_level=4&keepalives_idle=9&connect_timeout=3")
    assert found == {"PGHOST": "h", "PGDATABASE": "d", "PGCONNECT_TIMEOUT": "3"}


def test_the_users_own_variables_do_not_go_through() -> None:
    """PGPORT alone would reach another server; HOME holds certificates, PATH the programs."""
    given = {"PGPORT": "1", "PGPASSWORD": "x", "HOME": "/h", "PATH": "/p", "DATABASE_URL": "secret"}
    found = environment("postgresql://h/d", given)
    assert (found["HOME"], found["PATH"]) == ("/h", "/p")
    assert not {"PGPORT", "PGPASSWORD", "DATABASE_URL"} & set(found)


@pytest.mark.parametrize("parameter", ["sslpassword", "assume_role"])
def test_what_cannot_be_honoured_is_refused(parameter: str) -> None:
    """By its name; its value may be a secret."""
    with pytest.raises(WrongConfiguration) as caught:
        environment(f"postgresql://h/d?{parameter}=s3cr3t", {})
    assert parameter in str(caught.value)
    assert "s3cr3t" not in str(caught.value)


def test_sqlite_is_refused_with_what_to_do() -> None:
    """There is one file to copy."""
    with pytest.raises(WrongConfiguration, match="copy its file and MEDIA_ROOT"):
        environment("sqlite:///db.sqlite3", {})
