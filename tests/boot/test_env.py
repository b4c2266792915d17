"""The registry: what each variable is, and what a start makes of all of them together."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from boot import env
from boot.env import InvalidEnvironment, examine, load
from boot.places import BASE_DIR
from boot.values import PATH

KEY = "kX0-random-enough-and-longer-than-fifty-characters-3Fq9"
PRODUCTION = {
    "DJANGO_CONFIGURATION": "Production",
    "DJANGO_SECRET_KEY": KEY,
    "DJANGO_ALLOWED_HOSTS": "example.org",
    "PUBLIC_URL": "https://example.org",
    "DATABASE_URL": "postgresql://doorito:hunter2@db/doorito",
}


def problems(environ: dict[str, str]) -> list[str]:
    return list(examine(environ).problems)


def test_an_empty_environment_is_a_valid_one() -> None:
    """Everything has a default or may be unset, and no warning is due in Dev."""
    found = load({})
    assert found.warnings == ()
    assert set(found.typed) == set(env.VARIABLES)
    assert found["WEB_PORT"] == 8000
    assert found["RUN_MIGRATIONS"] is None


@pytest.mark.parametrize("variable", env.REGISTRY, ids=lambda variable: variable.name)
def test_every_default_is_what_its_own_variable_accepts(variable: env.Variable) -> None:
    """In Dev and in Production, a default set by hand is a value like any other."""
    for configuration in ("Dev", "Production"):
        given = {**load({}).texts, "DJANGO_CONFIGURATION": configuration}
        default = variable.default_for(given)
        assert default is None or variable.kind.parse(default) is not None


def test_the_registry_says_something_of_each_variable() -> None:
    """Help is a sentence; a default that is computed has words; names are unique and well formed."""
    assert len(env.VARIABLES) == len(env.REGISTRY)
    for variable in env.REGISTRY:
        assert variable.name == variable.name.upper()
        assert variable.help.endswith(".")
        assert variable.roles
        assert not callable(variable.default) or variable.default_text
        if variable.name.endswith("_S"):
            assert variable.kind.unit == "seconds"


def test_an_unset_broker_follows_a_postgresql_database() -> None:
    """With its user, password, host and options; otherwise the seed's default holds."""
    url = "postgresql://u:p%40@h:5433/d?sslmode=require"
    assert load({"DATABASE_URL": url})["CELERY_BROKER_URL"] == f"sqla+{url}"
    assert load({"DATABASE_URL": "postgres://u@h/d"})["CELERY_BROKER_URL"] == "sqla+postgresql://u@h/d"
    seed = "sqla+postgresql://doorito:doorito@localhost:5432/doorito"
    assert load({})["CELERY_BROKER_URL"] == seed
    assert load({"DATABASE_URL": url, "CELERY_BROKER_URL": "amqp://h//"})["CELERY_BROKER_URL"] == "amqp://h//"


def test_a_password_beside_the_url_may_hold_anything() -> None:
    """It reaches the database and the broker that follows it, percent-encoded; all else stays."""
    given = {
        "DATABASE_URL": "postgresql://u@h:5433/d?sslmode=require",
        "DATABASE_PASSWORD": "p@:/#?%41 ü'\"$",
    }
    found = load(given)
    url = "postgresql://u:p%40%3A%2F%23%3F%2541%20%C3%BC%27%22%24@h:5433/d?sslmode=require"
    assert found["DATABASE_URL"] == url
    assert found["CELERY_BROKER_URL"] == f"sqla+{url}"
    assert load({**given, "CELERY_BROKER_URL": "sqla+postgresql://v@h/q"})["CELERY_BROKER_URL"].endswith(
        "//v@h/q"
    )
    assert load({"DATABASE_PASSWORD": "x"})["DATABASE_URL"] == "sqlite:///db.sqlite3"


def test_two_passwords_are_a_problem_that_shows_neither() -> None:
    """In the URL and beside it."""
    (problem,) = problems({"DATABASE_URL": "postgresql://u:one@h/d", "DATABASE_PASSWORD": "two"})
    assert problem.startswith("DATABASE_PASSWORD: is set, and DATABASE_URL has a password too")
    assert len(problems({"DATABASE_URL": "postgresql://u@h/d?password=one", "DATABASE_PASSWORD": "two"})) == 1
    for broken in ("postgresql://[u@h/d", "postgresql://u@h:x/d"):
        assert len(problems({"DATABASE_URL": broken, "DATABASE_PASSWORD": "two"})) == 1


def test_defaults_follow_the_variables_that_they_are_made_of() -> None:
    """The port shows in PUBLIC_URL and the state folder in MEDIA_ROOT."""
    found = load({"WEB_PORT": "9000", "DOORITO_STATE_DIR": "/srv/state"})
    assert found["PUBLIC_URL"] == "http://localhost:9000"
    assert found["MEDIA_ROOT"] == Path("/srv/state/media")


def test_tasks_are_eager_and_pages_are_debug_pages_in_dev_alone() -> None:
    """As the seed says: True in Dev; Production runs a worker and shows no debug pages."""
    names = ("CELERY_TASK_ALWAYS_EAGER", "DJANGO_DEBUG")
    assert [load({})[name] for name in names] == [True, True]
    assert [load(PRODUCTION)[name] for name in names] == [False, False]


def test_paths_of_variables_are_paths() -> None:
    """MEDIA_ROOT and the folders reach the settings as absolute paths."""
    for variable in env.REGISTRY:
        if variable.kind is PATH and load({})[variable.name]:
            assert load({variable.name: "some/folder"})[variable.name] == BASE_DIR / "some/folder"


@pytest.mark.parametrize("name", ["DJANGO_SECRET_KEY", "DJANGO_ALLOWED_HOSTS"])
def test_production_requires_what_has_no_safe_default(name: str) -> None:
    """Left out or left empty, it is one problem that says what is accepted."""
    for environ in (PRODUCTION | {name: ""}, {k: v for k, v in PRODUCTION.items() if k != name}):
        (problem,) = problems(environ)
        assert problem == f"{name}: is required in Production; accepted: {env.VARIABLES[name].kind.accepted}"


def test_any_other_configuration_is_a_problem() -> None:
    """Case and white space count, so that nobody runs Dev's defaults by a slip."""
    for wrong in ("Prod", "production", "Production ", "Test"):
        (problem,) = problems({"DJANGO_CONFIGURATION": wrong})
        assert problem.startswith("DJANGO_CONFIGURATION: ")
        assert "Dev or Production" in problem


def test_all_problems_are_reported_at_once_by_a_real_start(tmp_path: Path) -> None:
    """Ten mistakes of ten kinds are ten lines and exit status 78: no traceback, no secret."""
    file = tmp_path / "wrong.env"
    file.write_text("WEB_THREADS=hunter2-threads\nWEB_WORKERS\n")
    mistakes = {
        "DOORITO_ENV_FILE": str(file),  # with a wrong value and an unreadable line
        "WEB_PORT": "abc",
        "DJANGO_DEBUG": "yes",
        "DATABASE_URL": "postgresql://u:hunter2#@h/db",
        "DJANGO_SECRET_KEY": "hunter2",
        "DJANGO_CONFIGURATION": "Production",  # which requires DJANGO_ALLOWED_HOSTS
        "EMAIL_URL_FILE": "/hunter2/does/not/exist",
        "CELERY_QEUES": "high",
        "DJANGO_SUPERUSER_PASSWORD": "hunter2",
    }
    done = subprocess.run(
        [sys.executable, "manage.py", "check"],
        cwd=BASE_DIR, env={"PATH": os.environ["PATH"], **mistakes}, capture_output=True, text=True,
    )  # fmt: skip
    lines = done.stderr.splitlines()
    assert done.returncode == 78
    assert done.stdout == ""
    assert all(line.startswith("doorito: ") for line in lines)
    assert sorted(line.removeprefix("doorito: ").split(":")[0] for line in lines) == sorted([
        f"{file}, line 2", "WEB_THREADS", "WEB_PORT", "DJANGO_DEBUG", "DATABASE_URL", "DJANGO_SECRET_KEY",
        "DJANGO_ALLOWED_HOSTS", "EMAIL_URL_FILE", "CELERY_QEUES", "DJANGO_SUPERUSER_EMAIL",
    ])  # fmt: skip
    assert len(lines) == 10
    assert "hunter2" not in done.stderr.replace("hunter2-threads", "")


def test_load_raises_what_examine_found() -> None:
    """The exception's text is the problems, a line each."""
    with pytest.raises(InvalidEnvironment) as caught:
        load({"WEB_PORT": "abc", "TIME_ZONE": "x"})
    assert str(caught.value).splitlines() == caught.value.problems
    assert [problem.split(":")[0] for problem in caught.value.problems] == ["TIME_ZONE", "WEB_PORT"]


def test_a_problem_says_what_was_wrong_and_what_is_accepted() -> None:
    """One line with the name, the value as it was, and what to write instead."""
    assert problems({"WEB_PORT": "80\n80"}) == [
        r'WEB_PORT: "80\n80" is not a whole number; accepted: a whole number from 1 to 65535'
    ]


@pytest.mark.parametrize("variable", [v for v in env.REGISTRY if v.secret], ids=lambda v: v.name)
@pytest.mark.parametrize("end", ["", "_FILE"])
def test_no_message_repeats_a_secret(variable: env.Variable, end: str) -> None:
    """Whatever is made of a secret, even one put where a file's path belongs, is not repeated."""
    for text in (
        "hunter2",
        "hunter2://u:hunter2@h:hunter2/d",
        "/hunter2",
        "hunter2\x00",
        "~hunter2",
        "/" + "hunter2" * 800,
    ):
        found = examine({**PRODUCTION, variable.name: "", variable.name + end: text})
        assert "hunter2" not in "".join((*found.problems, *found.warnings))


def test_a_password_in_a_url_that_takes_none_is_not_repeated() -> None:
    """PUBLIC_URL is no secret, but what somebody put before the @ may be."""
    (problem,) = problems({"PUBLIC_URL": "https://admin:hunter2@example.org"})
    assert problem.startswith("PUBLIC_URL: its value is not")
    assert "hunter2" not in problem


def test_the_repr_of_an_environment_holds_no_value() -> None:
    """Tracebacks with local variables, and error trackers, show reprs."""
    assert "hunter2" not in repr(load(PRODUCTION))
    assert KEY not in repr(load(PRODUCTION))
