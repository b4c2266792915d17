"""What the settings make of an environment, each in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from functools import cache
from typing import Any

import pytest

from boot.places import BASE_DIR

PRODUCTION = {
    "DJANGO_CONFIGURATION": "Production",
    "DJANGO_SECRET_KEY": "kX0-random-enough-and-longer-than-fifty-characters-3Fq9",
    "DJANGO_ALLOWED_HOSTS": "example.org,localhost",
    "PUBLIC_URL": "https://example.org",
    # Nobody answers there: settings and checks must not need a database.
    "DATABASE_URL": "postgresql://doorito:hunter2@127.0.0.1:1/doorito",
}
# Prints settings, and what a page answers to different requests, as JSON.
SCRIPT = """
import json, warnings
warnings.simplefilter("error")
import django; django.setup()
from django.conf import settings
from django.test import Client, override_settings
from django.urls import reverse
names = [name for name in dir(settings) if name.isupper()]
found = {name: getattr(settings, name) for name in names}
found["HEADERS"] = {}
# What `collectstatic` would have made is not there.
plain = {"BACKEND": "django.core.files.storage.FileSystemStorage"}
storages = {"default": plain, "staticfiles": plain}
headers = {"host": "localhost", "x-forwarded-proto": "https"}
with override_settings(WHITENOISE_AUTOREFRESH=True, STORAGES=storages):
    for scheme in ("http", "https"):
        response = Client().get(reverse("accounts:login"), secure=scheme == "https", headers=headers)
        found["HEADERS"][scheme] = {"status": response.status_code, **response.headers}
print(json.dumps(found, default=str))
"""


def run(*command: str, **environ: str) -> subprocess.CompletedProcess[str]:
    given = {"PATH": os.environ["PATH"], "DJANGO_SETTINGS_MODULE": "boot.settings", **environ}
    return subprocess.run(
        [sys.executable, *command], cwd=BASE_DIR, env=given, capture_output=True, text=True, timeout=60
    )


@cache
def _settings_of(environ: tuple[tuple[str, str], ...]) -> dict[str, Any]:
    done = run("-c", SCRIPT, **dict(environ))
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def settings_of(**environ: str) -> dict[str, Any]:
    return _settings_of(tuple(environ.items()))


# Production refuses


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"DJANGO_SECRET_KEY": ""}, "DJANGO_SECRET_KEY: is required in Production; "),
        ({"DJANGO_SECRET_KEY": "django-insecure-" + "hunter2" * 9}, "DJANGO_SECRET_KEY: is a known key; "),
        ({"DJANGO_ALLOWED_HOSTS": ""}, "DJANGO_ALLOWED_HOSTS: is required in Production; "),
        ({"DJANGO_DEBUG": "true"}, "DJANGO_DEBUG: is on in Production; "),
        ({"DATABASE_URL": ""}, "DATABASE_URL: is SQLite in Production; "),
        ({"PUBLIC_URL": "http://localhost"}, "PUBLIC_URL: must be an https:// URL to serve example.org"),
        ({"DJANGO_CONFIGURATION": "Staging"}, 'DJANGO_CONFIGURATION: "Staging" is not one of the choices'),
    ],
)
def test_production_refuses_to_start_with_one_line(change: dict[str, str], line: str) -> None:
    """Every way in loads the settings, and ends with 78, no traceback and no secret."""
    done = run("-c", "import boot.settings", **(PRODUCTION | change))
    assert done.returncode == 78
    assert done.stdout == ""
    (problem,) = done.stderr.splitlines()
    assert problem.startswith(f"doorito: {line}")
    assert "hunter2" not in problem


@pytest.mark.parametrize(
    "command", [("-m", "celery", "-A", "boot", "inspect", "ping"), ("-c", "import boot.wsgi")]
)
def test_programs_refuse_a_wrong_environment_as_commands_do(command: tuple[str, ...]) -> None:
    """Celery and gunicorn import the settings themselves: the same lines, the same status."""
    done = run(*command, WEB_PORT="abc")
    assert done.returncode == 78
    assert done.stderr.startswith('doorito: WEB_PORT: "abc" is not a whole number')
    assert "Traceback" not in done.stderr


# Production passes Django's own checks


def test_a_good_production_environment_is_clean_under_djangos_deployment_checks() -> None:
    """With an https PUBLIC_URL, and without a database; what is silenced says why in the settings."""
    done = run("manage.py", "check", "--deploy", "--fail-level", "WARNING", **PRODUCTION)
    assert (done.returncode, done.stderr) == (0, "")
    assert "no issues" in done.stdout
    assert settings_of(**PRODUCTION)["SILENCED_SYSTEM_CHECKS"] == ["security.W005", "security.W021"]


def test_silenced_checks_come_with_their_reason() -> None:
    """A comment above each, that names the variable which opts in."""
    text = (BASE_DIR / "boot/settings.py").read_text()
    reason = text[text.index("SILENCED_SYSTEM_CHECKS") : text.index('"security.W005"')]
    assert "HSTS_INCLUDE_SUBDOMAINS" in reason
    assert "HSTS_PRELOAD" in reason


# What follows PUBLIC_URL


def test_an_https_public_url_turns_on_all_that_goes_with_it() -> None:
    """Secure cookies, the redirect, HSTS and the CSRF origin, decided in one place."""
    found = settings_of(**PRODUCTION)
    assert found["SESSION_COOKIE_SECURE"] is found["CSRF_COOKIE_SECURE"] is True
    assert found["CSRF_TRUSTED_ORIGINS"] == ["https://example.org"]
    assert found["HEADERS"]["http"]["status"] == 301
    assert found["HEADERS"]["http"]["Location"] == "https://localhost/accounts/log-in/"
    assert found["HEADERS"]["https"]["status"] == 200
    assert found["HEADERS"]["https"]["Strict-Transport-Security"] == "max-age=3600"


def test_without_one_nothing_is_promised_that_http_cannot_keep() -> None:
    """Production for loopback hosts, and Dev: no redirect, no HSTS, cookies that plain HTTP carries."""
    local = PRODUCTION | {"DJANGO_ALLOWED_HOSTS": "localhost", "PUBLIC_URL": ""}
    for found in (settings_of(**local), settings_of()):
        assert found["SESSION_COOKIE_SECURE"] is found["CSRF_COOKIE_SECURE"] is False
        assert found["CSRF_TRUSTED_ORIGINS"] == ["http://localhost:8000"]
        for scheme in ("http", "https"):
            assert found["HEADERS"][scheme]["status"] == 200
            assert "Strict-Transport-Security" not in found["HEADERS"][scheme]


def test_hsts_for_more_than_this_site_is_opt_in() -> None:
    """Each part by a variable of its own; a header that a proxy of ours sets says what came by HTTPS."""
    extra = {
        "HSTS_SECONDS": "31536000",
        "HSTS_INCLUDE_SUBDOMAINS": "true",
        "HSTS_PRELOAD": "1",
        "PROXY_COUNT": "1",
    }
    found = settings_of(**PRODUCTION, **extra)
    expected = "max-age=31536000; includeSubDomains; preload"
    # Believed with PROXY_COUNT=1, so the plain request is no longer redirected.
    for scheme in ("http", "https"):
        assert found["HEADERS"][scheme]["Strict-Transport-Security"] == expected


def test_a_forged_protocol_header_is_ignored_without_a_proxy() -> None:
    """The requests of these tests all claim X-Forwarded-Proto: https."""
    assert settings_of(**PRODUCTION)["SECURE_PROXY_SSL_HEADER"] is None
    assert settings_of(**PRODUCTION)["HEADERS"]["http"]["status"] == 301


# Headers


@pytest.mark.parametrize("environ", [PRODUCTION, {}], ids=["Production", "Dev"])
def test_every_response_has_a_strict_policy(environ: dict[str, str]) -> None:
    """Scripts and styles from this site alone, no inline ones, no frames, no plug-ins, no other base."""
    headers = settings_of(**environ)["HEADERS"]["https"]
    directives = (part.split() for part in headers["Content-Security-Policy"].split(";"))
    policy = {name: values for name, *values in directives}
    assert policy["default-src"] == ["'none'"]
    assert policy["style-src"] == ["'self'"]
    assert policy["script-src"] == ["'self'"]  # a nonce is added where a page has asked for one
    assert policy["frame-ancestors"] == policy["base-uri"] == ["'none'"]
    assert policy["form-action"] == ["'self'"]
    assert not {"'unsafe-inline'", "'unsafe-eval'", "*", "http:", "https:"} & {
        v for vs in policy.values() for v in vs
    }
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "same-origin"
    assert headers["Cross-Origin-Opener-Policy"] == "same-origin"


# Defaults


def test_dev_and_production_differ_as_the_seed_says() -> None:
    """Debug pages and eager tasks in Dev; neither in Production; tasks as plain JSON in both."""
    for environ, expected in (({}, True), (PRODUCTION, False)):
        found = settings_of(**environ)
        assert found["DEBUG"] is found["CELERY_TASK_ALWAYS_EAGER"] is expected
        assert found["CELERY_ACCEPT_CONTENT"] == ["json"]


def test_without_a_database_url_the_database_is_sqlite_in_the_project() -> None:
    """Whatever the working folder; a PostgreSQL one is not waited for longer than some seconds."""
    assert settings_of()["DATABASES"]["default"]["NAME"] == str(BASE_DIR / "db.sqlite3")
    assert settings_of(**PRODUCTION)["DATABASES"]["default"]["OPTIONS"]["connect_timeout"] == 5


# The broker's database

MAIN = "postgresql://doorito:one@db.internal/doorito"
DATABASES = """
import json
from boot import settings
names = ("DATABASES", "DATABASE_ROUTERS", "BROKER_DATABASE")
print(json.dumps({name: getattr(settings, name, []) for name in names}, default=str))
"""


def places_of(**environ: str) -> dict[str, Any]:
    done = run("-c", DATABASES, **environ)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize(
    ("database", "broker"),
    [
        (MAIN, ""),
        (MAIN, "sqla+postgresql://doorito:one@db.internal/doorito"),
        (MAIN, "sqla+postgresql+psycopg://another:two@DB.internal:5432/doorito?application_name=worker"),
        ("postgresql://doorito@/doorito?host=/run/a", "sqla+postgresql://doorito@/doorito?host=/run/a"),
    ],
)
def test_a_broker_in_the_same_database_needs_no_second_one(database: str, broker: str) -> None:
    """However the address is written: host, port and name tell."""
    found = places_of(DATABASE_URL=database, CELERY_BROKER_URL=broker)
    assert list(found["DATABASES"]) == ["default"]
    assert found["BROKER_DATABASE"] == "default"
    assert found["DATABASE_ROUTERS"] == []


def test_a_broker_elsewhere_is_a_second_database() -> None:
    """With the options of its URL; its tables go there, and no others."""
    found = places_of(
        DATABASE_URL=MAIN,
        CELERY_BROKER_URL="sqla+postgresql://queue:t%40o@q1.internal:6432,q2.internal/parcels?sslmode=require",
    )
    own = found["DATABASES"]["broker"]
    assert found["BROKER_DATABASE"] == "broker"
    assert found["DATABASE_ROUTERS"] == ["apps.broker.database_router.BrokerRouter"]
    assert (own["NAME"], own["USER"], own["PASSWORD"]) == ("parcels", "queue", "t@o")
    assert (own["HOST"], own["PORT"]) == ("q1.internal,q2.internal", "6432,")
    assert own["OPTIONS"]["sslmode"] == "require"
    assert own["OPTIONS"]["connect_timeout"] == 5


def test_sqlite_can_have_a_broker_in_postgresql() -> None:
    """One that was named, or the registry's own where tasks are to be sent; else there is none to ask."""
    broker = "sqla+postgresql://doorito@localhost/doorito"
    assert places_of(CELERY_BROKER_URL=broker)["BROKER_DATABASE"] == "broker"
    assert places_of(CELERY_TASK_ALWAYS_EAGER="false")["BROKER_DATABASE"] == "broker"
    assert places_of()["BROKER_DATABASE"] is None


def test_another_kind_of_broker_has_no_tables() -> None:
    """RabbitMQ, Redis."""
    found = places_of(DATABASE_URL=MAIN, CELERY_BROKER_URL="amqp://rabbit")
    assert found["BROKER_DATABASE"] is None
    assert list(found["DATABASES"]) == ["default"]


def test_a_broker_url_that_sqlalchemy_cannot_read_is_one_line() -> None:
    """The variable's name, and no password."""
    done = run("-c", "import boot.settings", CELERY_BROKER_URL="sqla+postgresql://a:hunter2@h:1,g:x/d")
    assert done.returncode == 78
    assert done.stderr.startswith("doorito: CELERY_BROKER_URL: ")
    assert "hunter2" not in done.stderr
    assert "Traceback" not in done.stderr
