"""What holds between variables."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from boot import rules
from boot.workers import Wanted

KEY = "kX0-random-enough-and-longer-than-fifty-characters-3Fq9"
GOOD: dict[str, Any] = {
    "DJANGO_CONFIGURATION": "Production",
    "DJANGO_SECRET_KEY": KEY,
    "DJANGO_DEBUG": False,
    "DJANGO_ALLOWED_HOSTS": ["example.org"],
    "PUBLIC_URL": "https://example.org",
    "DATABASE_URL": "postgresql://doorito:pw@db/doorito",
    "CELERY_TASK_SOFT_TIME_LIMIT_S": 50,
    "CELERY_TASK_TIME_LIMIT_S": 60,
    "STOP_BUDGET_S": 120,
    "DJANGO_SUPERUSER_EMAIL": None,
    "DJANGO_SUPERUSER_PASSWORD": None,
    "DOORITO_RUNTIME_DIR": "/run/doorito",
    "DOORITO_EMBEDDED_POSTGRES": False,
    "CELERY_TASK_ALWAYS_EAGER": False,
    "CELERY_BROKER_URL": "sqla+postgresql://doorito:pw@db/doorito",
    "EMAIL_URL": "smtp://mail:25",
    "HSTS_PRELOAD": False,
    "HSTS_INCLUDE_SUBDOMAINS": False,
    "HSTS_SECONDS": 3600,
    "PROXY_COUNT": 1,
}
LOOPBACK = ["localhost", "127.0.0.1", "[::1]"]


def problems(**changed: Any) -> list[str]:
    return [name for name, _ in rules.problems(GOOD | changed)]


def test_a_good_production_environment_has_no_problem() -> None:
    """Neither problems nor warnings: the baseline of the tests below."""
    assert problems() == []
    assert list(rules.warnings(GOOD)) == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DJANGO_SECRET_KEY", rules.INSECURE_DEV_KEY),
        ("DJANGO_SECRET_KEY", "django-insecure-" + KEY),
        ("DJANGO_SECRET_KEY", KEY[:49]),
        ("DJANGO_SECRET_KEY", "abcd" * 20),
        ("DJANGO_DEBUG", True),
        ("DATABASE_URL", "sqlite:///db.sqlite3"),
        ("DATABASE_URL", "sqlite://:memory:"),
    ],
)
def test_production_refuses_what_is_unsafe_there(name: str, value: Any) -> None:
    """Known and weak keys, debug pages and SQLite are one problem each; Dev takes them all."""
    assert problems(**{name: value}) == [name]
    assert problems(**{name: value, "DJANGO_CONFIGURATION": "Dev"}) == []


def test_a_key_just_strong_enough_is_taken() -> None:
    """The limits are those of Django's security.W009: 50 characters, 5 of them different."""
    assert problems(DJANGO_SECRET_KEY=KEY[:50]) == []
    assert problems(DJANGO_SECRET_KEY="abcde" * 10) == []


def test_no_finding_repeats_a_secret() -> None:
    """Whatever is wrong with a key or a URL, its value stays out of the message."""
    for key in ("django-insecure-hunter2", "hunter2"):
        changed = GOOD | {"DJANGO_SECRET_KEY": key, "DATABASE_URL": "postgresql://u:hunter2@h"}
        found = dict(rules.problems(changed))
        assert found.keys() == {"DJANGO_SECRET_KEY", "DATABASE_URL"}
        assert "hunter2" not in str(found)


@pytest.mark.parametrize(
    ("public_url", "hosts", "expected"),
    [
        ("https://example.org", ["example.org", "www.example.org"], []),
        ("https://www.example.org:8443", [".example.org"], []),
        ("https://example.org", [".example.org"], []),
        ("https://example.org", ["*"], []),
        ("https://[2001:db8::1]", ["[2001:db8::1]"], []),
        ("https://badexample.org", [".example.org"], ["DJANGO_ALLOWED_HOSTS"]),
        ("https://www.example.org", ["example.org"], ["DJANGO_ALLOWED_HOSTS"]),
        ("http://localhost:8000", LOOPBACK, []),
        ("http://[::1]:8000", LOOPBACK, []),
        ("http://localhost:8000", [*LOOPBACK, "example.org"], ["PUBLIC_URL"]),
        ("http://localhost:8000", ["*"], ["PUBLIC_URL"]),
        ("http://localhost:8000", [".localhost"], ["PUBLIC_URL"]),
        ("http://example.org", ["example.org"], ["PUBLIC_URL"]),
        ("http://example.org", ["localhost"], ["DJANGO_ALLOWED_HOSTS"]),
        (None, ["example.org"], []),  # PUBLIC_URL could not be read, which is reported already
    ],
)
def test_production_serves_others_by_https_alone(
    public_url: str | None, hosts: list[str], expected: list[str]
) -> None:
    """Without https only loopback hosts are served, and the host of PUBLIC_URL is always one of them."""
    assert problems(PUBLIC_URL=public_url, DJANGO_ALLOWED_HOSTS=hosts) == expected


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("postgresql://u@h", ["DATABASE_URL"]),
        ("postgres://u@h/", ["DATABASE_URL"]),
        ("postgresql://u@h/?sslmode=require", ["DATABASE_URL"]),
        ("postgresql:///?service=doorito", []),
        ("postgresql:///doorito", []),
    ],
)
def test_a_postgresql_url_names_a_database(url: str, expected: list[str]) -> None:
    """Without a name Django would stop with a traceback at the first query."""
    assert problems(DATABASE_URL=url) == expected


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("sqla+postgresql://h", ["CELERY_BROKER_URL"]),
        ("sqla+postgresql+psycopg://u@h/?sslmode=require", ["CELERY_BROKER_URL"]),
        ("sqla+postgresql://u@h/db", []),
        ("sqla+postgresql://u@/?host=/run&dbname=db", []),
        ("sqla+postgresql:///?service=site", []),
        ("amqp://h", []),
        ("redis://h", []),
    ],
)
def test_a_broker_on_postgresql_names_its_database(url: str, expected: list[str]) -> None:
    """Others may leave it to a default."""
    assert problems(CELERY_BROKER_URL=url) == expected


@pytest.mark.parametrize(("soft", "hard", "ok"), [(59, 60, True), (60, 60, False), (61, 60, False)])
def test_a_task_is_told_before_it_is_killed(soft: int, hard: int, ok: bool) -> None:
    """The soft time limit is below the hard one."""
    found = problems(CELERY_TASK_SOFT_TIME_LIMIT_S=soft, CELERY_TASK_TIME_LIMIT_S=hard)
    assert found == ([] if ok else ["CELERY_TASK_SOFT_TIME_LIMIT_S"])


def test_an_administrator_needs_both_address_and_password() -> None:
    """Either alone is a problem of the missing one."""
    email, password = "DJANGO_SUPERUSER_EMAIL", "DJANGO_SUPERUSER_PASSWORD"
    assert problems(**{email: "a@b"}) == [password]
    assert problems(**{password: "x"}) == [email]
    assert problems(**{email: "a@b", password: "x"}) == []


def test_a_runtime_folder_too_deep_for_a_socket_is_a_problem() -> None:
    """Found at the start, not by supervisord."""
    assert problems(DOORITO_RUNTIME_DIR="/" + "x" * 100) == ["DOORITO_RUNTIME_DIR"]


@pytest.mark.parametrize("missing", GOOD)
def test_a_variable_that_could_not_be_read_causes_no_further_problem(missing: str) -> None:
    """Its own problem is reported by the reader; a rule about it would only repeat it."""
    rest = {name: value for name, value in GOOD.items() if name != missing}
    assert list(rules.problems(rest)) == []


def test_production_without_https_starts_with_one_warning() -> None:
    """It serves loopback hosts, and says so once."""
    typed = GOOD | {"PUBLIC_URL": "http://localhost:8000", "DJANGO_ALLOWED_HOSTS": LOOPBACK}
    assert [name for name, _ in rules.warnings(typed)] == ["PUBLIC_URL"]
    assert list(rules.warnings(typed | {"DJANGO_CONFIGURATION": "Dev"})) == []


def test_a_stop_shorter_than_a_task_is_a_warning_that_names_a_budget_that_suffices() -> None:
    """The number in the message, taken as the budget, ends the warning; for every limit there is."""
    for longest in (1, 2, 9, 10, 11, 12, 60, 77, 1000, 43_201, 86_400):
        typed = GOOD | {"CELERY_TASK_TIME_LIMIT_S": longest, "STOP_BUDGET_S": 20}
        found = list(rules.warnings(typed))
        assert bool(found) == (rules.stop_seconds(20)["celery-worker"] < longest)
        for name, message in found:
            assert name == "STOP_BUDGET_S"
            enough = int(message.split("; ")[1].split()[0])
            assert enough == rules.sufficient_budget(longest)
            assert list(rules.warnings(typed | {"STOP_BUDGET_S": enough})) == []


def test_the_programs_times_together_stay_within_the_budget() -> None:
    """For every budget: side by side, the database after them; each has at least a second or two."""
    for budget in range(20, 2000):
        times = rules.stop_seconds(budget, drain=7)
        database = times.pop("postgres")
        assert max(times["celery-worker"], times["celery-beat"], times["web"] + 7) + database <= budget
        assert min(database, *times.values()) >= 2


def test_several_workers_take_a_runtime_folder_with_a_plain_path() -> None:
    """supervisord would look for their files by pattern, and start none."""
    two = (Wanted((), None), Wanted((), None))
    odd = {"DOORITO_RUNTIME_DIR": Path("/run/a b"), "CELERY_WORKERS": two}
    assert [name for name, _ in rules.problems(odd)] == ["DOORITO_RUNTIME_DIR"]
    assert not list(rules.problems(odd | {"CELERY_WORKERS": two[:1]}))
    assert not list(rules.problems(odd | {"DOORITO_RUNTIME_DIR": Path("/run/ab")}))


def test_a_drain_that_leaves_the_web_server_no_time_is_a_problem() -> None:
    """The most that would do is named, and does."""
    found = [message for name, message in rules.problems({"STOP_BUDGET_S": 20, "WEB_DRAIN_S": 15})]
    most = int(found[0].rsplit(" ", 1)[1])
    assert found == [f"15 leaves the web server no time to stop; STOP_BUDGET_S allows {most}"]
    assert not list(rules.problems({"STOP_BUDGET_S": 20, "WEB_DRAIN_S": most}))
    assert list(rules.problems({"STOP_BUDGET_S": 20, "WEB_DRAIN_S": most + 1}))


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"HSTS_PRELOAD": True}, ["HSTS_PRELOAD", "HSTS_PRELOAD"]),
        ({"HSTS_PRELOAD": True, "HSTS_INCLUDE_SUBDOMAINS": True}, ["HSTS_PRELOAD"]),
        ({"HSTS_PRELOAD": True, "HSTS_INCLUDE_SUBDOMAINS": True, "HSTS_SECONDS": 31_536_000}, []),
        ({"DOORITO_EMBEDDED_POSTGRES": True}, ["DOORITO_EMBEDDED_POSTGRES"]),
    ],
)
def test_what_is_unsafe_in_production_is_a_problem(changed: dict[str, Any], expected: list[str]) -> None:
    """Preloading needs what browsers ask of it; the embedded server is for development"""
    assert problems(**changed) == expected


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"CELERY_TASK_ALWAYS_EAGER": True}, "CELERY_TASK_ALWAYS_EAGER"),
        ({"EMAIL_URL": "console://"}, "EMAIL_URL"),
        ({"EMAIL_URL": "dummy://"}, "EMAIL_URL"),
        ({"PROXY_COUNT": 0}, "PROXY_COUNT"),
        ({"DJANGO_ALLOWED_HOSTS": ["*"]}, "DJANGO_ALLOWED_HOSTS"),
    ],
)
def test_what_works_but_not_as_expected_is_a_warning(changed: dict[str, Any], expected: str) -> None:
    """Eager tasks, mail that nobody gets, https without a proxy that speaks it."""
    assert [name for name, _ in rules.warnings(GOOD | changed)] == [expected]
