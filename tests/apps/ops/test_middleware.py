"""/healthz and /readyz."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from wsgiref.util import setup_testing_defaults

import pytest
from django.core.wsgi import get_wsgi_application
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder
from django.test import Client
from pytest_django import Settings


def test_healthz_answers_without_any_database(client: Client) -> None:
    """This test may not touch one: pytest-django would raise. So a hung database ends no process."""
    response = client.get("/healthz")
    assert (response.status_code, response.content) == (200, b"ok\n")
    assert response["Cache-Control"] == "no-store"
    assert response["Content-Type"] == "text/plain"
    assert "Set-Cookie" not in response


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_probes_are_answered_before_the_host_check_and_the_redirect(
    path: str, client: Client, settings: Settings
) -> None:
    """They come by address and over plain HTTP, where every other page is refused or redirected."""
    settings.ALLOWED_HOSTS = ["example.org"]
    settings.SECURE_SSL_REDIRECT = True
    headers = {"host": "10.1.2.3:8000"}
    assert client.get(path, headers=headers).status_code == 200
    assert client.get("/", headers=headers).status_code == 400
    assert client.get("/", headers={"host": "example.org"})["Location"] == "https://example.org/"


@pytest.mark.django_db
def test_readyz_says_that_requests_can_be_served(client: Client) -> None:
    """200 and no reasons."""
    response = client.get("/readyz")
    assert (response.status_code, response.json()) == (200, {"ready": True, "reasons": []})
    assert response["Cache-Control"] == "no-store"


@pytest.mark.django_db
def test_readyz_names_unapplied_migrations(client: Client) -> None:
    """503, so that no balancer sends requests here."""
    MigrationRecorder(connection).record_unapplied("sessions", "0001_initial")
    response = client.get("/readyz")
    assert response.status_code == 503
    assert response.json()["ready"] is False
    assert "sessions.0001_initial" in response.json()["reasons"][0]


@pytest.mark.django_db(transaction=True)
def test_readyz_says_that_the_database_is_away(
    client: Client, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """503 while it is away, 200 again from the same process once it is back."""
    connection.close()
    options = connection.settings_dict.get("OPTIONS", {})
    with monkeypatch.context() as away:
        away.setitem(connection.settings_dict, "OPTIONS", {**options, "host": str(tmp_path)})
        response = client.get("/readyz")
    assert response.status_code == 503
    assert response.json() == {"ready": False, "reasons": ["the database does not answer"]}
    connection.close()
    assert client.get("/readyz").status_code == 200


@pytest.mark.django_db(transaction=True)
def test_readyz_takes_a_new_connection_where_the_old_one_died() -> None:
    """A restarted server costs no failed probe: Django's health check finds the dead connection."""
    statuses: list[str] = []
    application = get_wsgi_application()  # unlike the test client, it sends Django's request signals
    environ: dict[str, object] = {"PATH_INFO": "/readyz"}
    setup_testing_defaults(environ)

    def start_response(status: str, *_: object) -> Callable[[bytes], object]:
        statuses.append(status)
        return bytes

    application(environ, start_response)
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        (pid,) = cursor.fetchone()
    other = connection.copy()
    with other.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])
    other.close()
    application(environ, start_response)
    assert statuses == ["200 OK", "200 OK"]


def test_other_addresses_are_not_probes(client: Client, settings: Settings) -> None:
    """Only the exact path is; the rest goes through the host check."""
    settings.ALLOWED_HOSTS = ["example.org"]
    for path in ("/healthz/", "/healthzx", "/x/healthz", "/readyz/"):
        assert client.get(path, headers={"host": "10.1.2.3"}).status_code == 400
