"""What `doorito env` says of the registry."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from boot import reference
from boot.env import GROUPS, REGISTRY, VARIABLES, Variable, examine, load
from boot.places import BASE_DIR

KEY = "kX0-random-enough-and-longer-than-fifty-characters-3Fq9"
SECRETS = {
    "DJANGO_SECRET_KEY": KEY,
    "DATABASE_URL": "postgresql://u:hunter2@h:5432/d?sslmode=require&sslpassword=hunter3",
    "CELERY_BROKER_URL": "amqp://u:hunter2@h//",
    "EMAIL_URL": "submission://me@example.org:hunter2@mail.example.org:587",
    "DJANGO_SUPERUSER_EMAIL": "a@example.org",
    "DJANGO_SUPERUSER_PASSWORD": "hunter2",
}


def row(table: str, name: str) -> str:
    (line,) = [line for line in table.splitlines() if line[2:].startswith(f"{name} ")]
    return line


def objects(environ: dict[str, str]) -> dict[str, dict[str, object]]:
    return {entry["name"]: entry for entry in json.loads(reference.as_json(environ))}


# The table


def test_the_table_has_every_variable_under_its_group() -> None:
    """With its help, in the order of the registry, and within 100 columns where values allow it."""
    table = reference.table({"DOORITO_STATE_DIR": "/s"})
    places = [
        table.index(f"\n  {v.name} ") if v.default else table.index(f" {v.name} ") for v in REGISTRY[:3]
    ]
    assert places == sorted(places)
    for variable in REGISTRY:
        row(table, variable.name)
        assert variable.help in re.sub(r"\s+", " ", table)
    assert all(f"\n{title}\n" in f"\n{table}" for title in GROUPS)
    assert max(map(len, table.splitlines())) <= 100


def test_the_table_tells_defaults_from_what_is_set(tmp_path: Path) -> None:
    """Defaults stand in parentheses; what is set has a star and says where it was set."""
    (tmp_path / "x.env").write_text("WEB_WORKERS=2\n")
    (tmp_path / "key").write_text(KEY)
    environ = {"DOORITO_ENV_FILE": f"{tmp_path}/x.env", "WEB_PORT": "9000"}
    table = reference.table(environ | {"DJANGO_SECRET_KEY_FILE": f"{tmp_path}/key"})
    assert row(table, "WEB_THREADS").split() == ["WEB_THREADS", "(4)"]
    assert row(table, "WEB_PORT").split() == ["*", "WEB_PORT", "9000", "[environment]"]
    assert row(table, "WEB_WORKERS").endswith(f"2  [file {tmp_path}/x.env]")
    assert row(table, "DJANGO_SECRET_KEY").endswith(f"***  [DJANGO_SECRET_KEY_FILE ({tmp_path}/key)]")
    assert row(table, "DJANGO_SUPERUSER_EMAIL").split() == ["DJANGO_SUPERUSER_EMAIL", "(unset)"]


def test_the_table_is_printed_of_an_invalid_environment_too(tmp_path: Path) -> None:
    """What could be read is shown, the rest is marked with its problem, and nothing is left out."""
    environ = {
        "WEB_PORT": "abc",
        "TIMEZONE": "1",
        "WEB_WORKERS": "3",
        "DATABASE_URL_FILE": f"{tmp_path}/none",
        "DJANGO_CONFIGURATION": "Production",
    }
    table = reference.table(environ)
    assert row(table, "WEB_WORKERS").startswith("* WEB_WORKERS")
    for name in ("WEB_PORT", "DATABASE_URL", "DJANGO_SECRET_KEY", "DJANGO_ALLOWED_HOSTS"):
        assert row(table, name).startswith("! ")
    assert '"abc"' in row(table, "WEB_PORT")
    for problem in examine(environ).problems:
        assert problem in re.sub(r"\s+", " ", table)
    assert "\n! TIMEZONE: is no variable" in table


def test_a_warning_is_part_of_the_table() -> None:
    """What works but may surprise is said as well."""
    assert "Note: STOP_BUDGET_S: of 20 " in reference.table({"STOP_BUDGET_S": "20"})


# Secrets


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("DJANGO_SECRET_KEY", "***"),
        ("DJANGO_SUPERUSER_PASSWORD", "***"),
        ("DATABASE_URL", "postgresql://u:***@h:5432/d?sslmode=require&sslpassword=***"),
        ("CELERY_BROKER_URL", "amqp://u:***@h//"),
        ("EMAIL_URL", "submission://me@example.org:***@mail.example.org:587"),
    ],
)
def test_a_secret_is_masked_wherever_it_is_shown(name: str, shown: str) -> None:
    """A URL shows all but its passwords, any other secret nothing: in table, JSON and explanation."""
    assert row(reference.table(SECRETS), name).split()[2] == shown
    assert objects(SECRETS)[name]["value"] == shown
    assert f"{shown} (environment)" in reference.explain(name, SECRETS)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://u:p@h/d", "postgresql://u:***@h/d"),
        ("postgresql://u@h/d", "postgresql://u@h/d"),
        ("postgresql://:p@h/d", "postgresql://:***@h/d"),
        ("postgresql://u:p@q@h/d", "postgresql://u:***@h/d"),
        ("postgresql://u:p:q@[::1]:5432/d", "postgresql://u:***@[::1]:5432/d"),
        ("postgresql://u@:5432/d?host=/run/x", "postgresql://u@:5432/d?host=/run/x"),
        ("postgresql://h/d?password=p&user=u", "postgresql://h/d?password=***&user=***"),
        ("sqlite:///db.sqlite3", "sqlite:///db.sqlite3"),
        ("sqlite:////srv/db.sqlite3", "sqlite:////srv/db.sqlite3"),
        ("sqlite://:memory:", "sqlite://:memory:"),
    ],
)
def test_of_a_url_only_passwords_are_masked(url: str, shown: str) -> None:
    """Also those in its query, where all but harmless parameters might be one."""
    assert reference.masked(VARIABLES["DATABASE_URL"], url) == shown
    assert reference.masked(VARIABLES["EMAIL_URL"], "console://") == "console://"


@pytest.mark.parametrize("variable", [v for v in REGISTRY if v.secret], ids=lambda v: v.name)
def test_a_wrong_secret_is_not_shown_at_all(variable: Variable) -> None:
    """A URL that cannot be read has no part that is known to be harmless."""
    for text in ("hunter2\0", "postgresql://u:1#hunter2@h", "hunter2://hunter2", "hunter2"):
        for shown in (reference.table, reference.as_json, lambda e: reference.explain(variable.name, e)):
            assert "hunter2" not in shown({variable.name: text, "DJANGO_CONFIGURATION": "Production"})
            assert "hunter2" not in shown({f"{variable.name}_FILE": f"/{text}"})


def test_a_value_cannot_command_the_terminal() -> None:
    """Control characters are escaped in the table, as in messages."""
    table = reference.table({"DEFAULT_FROM_EMAIL": "a\x1b[2J\n\x9bb", "WEB_PORT": "\x1b[31m"})
    assert row(table, "DEFAULT_FROM_EMAIL").split()[2] == r'"a\x1b[2J\n\x9bb"'
    assert all(character.isprintable() for character in table.replace("\n", ""))


# JSON and one variable


def test_the_json_has_every_fact_of_every_variable() -> None:
    """For scripts: names, values, sources, defaults of both configurations, type, unit, what is accepted."""
    found = objects({"WEB_PORT": "9000", "TIME_ZONE": "x"})
    assert list(found) == list(VARIABLES)
    assert found["WEB_PORT"] == {
        "name": "WEB_PORT", "group": "Web", "value": "9000", "source": "environment", "problems": [],
        "default_dev": "8000", "default_production": "8000", "type": "whole number", "unit": "",
        "accepted": "a whole number from 1 to 65535", "secret": False, "required": False,
        "roles": ["web", "dev"], "help": "The port that it listens on, where WEB_BIND is an address.",
    }  # fmt: skip
    assert found["DJANGO_DEBUG"]["default_dev"] == "true"
    assert found["DJANGO_DEBUG"]["default_production"] == "false"
    assert found["DJANGO_SECRET_KEY"]["default_production"] is None
    assert found["TIME_ZONE"]["value"] is None
    assert len(str(found["TIME_ZONE"]["problems"])) > 10
    assert found["STOP_BUDGET_S"]["unit"] == "seconds"


def test_one_variable_is_explained_in_full() -> None:
    """Help, type, what is accepted, defaults, readers, secrecy, value and source."""
    text = reference.explain("DJANGO_DEBUG", {"DJANGO_DEBUG": "0"})
    for part in ("Debug pages", "boolean", "true or false", "celery-beat", "0 (environment)", "false"):
        assert part in text
    assert "must be set" in reference.explain("django_secret_key", {})
    assert "Wrong:" in reference.explain("WEB_PORT", {"WEB_PORT": "x"})
    assert reference.explain("DATABASE_URL_FILE", {}).startswith("DATABASE_URL\n")


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("WEB_PROT", "WEB_PORT?"),
        ("WEB_PORT_FILE", "WEB_PORT?"),
        ("X", "`doorito env` lists them"),
        ("a\n", "lists"),
    ],
)
def test_an_unknown_variable_is_refused_with_the_one_that_may_be_meant(name: str, hint: str) -> None:
    """NAME_FILE of what is no secret is unknown as well."""
    with pytest.raises(reference.UnknownVariable, match=re.escape(hint)) as caught:
        reference.explain(name, {})
    assert "\n" not in str(caught.value)


def test_showing_a_wrong_environment_is_status_78(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The table on standard output, or JSON there and the problems on standard error."""
    assert reference.show() == 0
    assert capsys.readouterr().out.startswith("Django\n")
    monkeypatch.setenv("WEB_PORT", "abc")
    assert reference.show(as_json=True) == 78
    captured = capsys.readouterr()
    assert len(json.loads(captured.out)) == len(REGISTRY)
    assert captured.err.startswith('doorito: WEB_PORT: "abc" is not')


def test_a_value_that_the_locale_cannot_print_is_escaped() -> None:
    """`doorito env` is what one looks with when things are broken, so it prints in any locale."""
    script = "from boot import reference; raise SystemExit(reference.show())"
    environ = {"PATH": os.environ["PATH"], "PYTHONIOENCODING": "ascii", "DEFAULT_FROM_EMAIL": "é 日本"}
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=BASE_DIR, env=environ, capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert r"\xe9" in done.stdout


# The generated files


def uncommented(content: str) -> list[str]:
    return [line[1:] for line in content.splitlines() if re.match(r"#[A-Z_]+=", line)]


def test_the_generated_files_are_fresh() -> None:
    """Whoever changes the registry runs `doorito env write`."""
    assert reference.check() == []


def test_a_stale_or_missing_file_is_named_with_the_command_that_mends_it(tmp_path: Path) -> None:
    """And writing mends it."""
    missing = reference.check(tmp_path)
    assert [line.split()[0] for line in missing] == [".env.example", "docs/environment.md"]
    assert all("`doorito env write`" in line for line in missing)
    assert reference.write(tmp_path) == [tmp_path / ".env.example", tmp_path / "docs/environment.md"]
    assert reference.check(tmp_path) == []
    (tmp_path / ".env.example").write_text("old")
    assert [line.split()[0] for line in reference.check(tmp_path)] == [".env.example"]


def test_a_copy_of_the_example_changes_nothing(tmp_path: Path) -> None:
    """Every variable stands in it, commented out, or empty where Compose wants it filled in."""
    reference.write(tmp_path)
    example = tmp_path / ".env.example"
    names = re.findall(r"^#?(\w+)=", example.read_text(), re.MULTILINE)
    assert names == list(VARIABLES)
    assert re.findall(r"^(\w+)=$", example.read_text(), re.MULTILINE) == list(reference.COMPOSE_NEEDS)
    found = load({"DOORITO_ENV_FILE": str(example)})
    assert found.typed == {**load({}).typed, "DOORITO_ENV_FILE": example}


def test_every_line_of_the_example_is_valid_and_means_the_default(tmp_path: Path) -> None:
    """Uncommented one at a time, and all together, it still is what holds without the file."""
    reference.write(tmp_path)
    lines = uncommented((tmp_path / ".env.example").read_text())
    file = tmp_path / "copy.env"
    for content in (*lines, "\n".join(lines)):
        file.write_text(content + "\n")
        found = load({"DOORITO_ENV_FILE": str(file)})
        assert found.typed == {**load({}).typed, "DOORITO_ENV_FILE": file}
        assert found.warnings == ()


def test_the_generated_files_are_the_same_on_every_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They hold no uid, no path of this checkout, no value of this environment and no key."""
    for name, text in SECRETS.items():
        monkeypatch.setenv(name, text)
    monkeypatch.setattr(os, "getuid", lambda: 4321)
    monkeypatch.setenv("HOME", "/home/somebody")
    assert reference.check() == []
    for path in reference.write(tmp_path):
        text = path.read_text()
        assert not re.search(r"hunter|django-insecure|doorito:doorito|4321|/home/", text)
        assert str(BASE_DIR) not in text


def test_the_page_has_a_row_for_each_variable() -> None:
    """With five cells each, so that no value breaks the table."""
    rows = [
        line for line in (BASE_DIR / "docs/environment.md").read_text().splitlines() if line.startswith("| `")
    ]
    assert [re.findall(r"`(\w+)`", line)[0] for line in rows] == list(VARIABLES)
    assert {len(re.split(r"(?<!\\)\|", line)) for line in rows} == {7}
