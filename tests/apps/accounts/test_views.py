from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.core import mail
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import Settings

from apps.accounts import tasks
from apps.accounts.models import User
from apps.broker.testing import SentTasks

PASSWORD = "a long and quiet road"
NEW_PASSWORD = "another and shorter road"

pytestmark = pytest.mark.django_db


def test_log_in_takes_any_case_and_leads_on(client: Client, ada: User) -> None:
    """To the page that was asked for, never to another site."""
    form = {"username": "ADA@Example.org", "password": PASSWORD}
    response = client.post(reverse("accounts:login") + "?next=/admin/", form)
    assert response.headers["Location"] == "/admin/"
    client.post(reverse("accounts:logout"))
    response = client.post(reverse("accounts:login") + "?next=https://example.com/", form)
    assert response.headers["Location"] == "/"


def test_a_wrong_password_and_an_unknown_account_look_alike(client: Client, ada: User) -> None:
    """The answer does not tell which accounts exist."""
    pages = [
        client.post(reverse("accounts:login"), {"username": email, "password": "a guess"}).text
        for email in (ada.email, "eve@example.org")
    ]
    assert all("do not match" in page for page in pages)


def test_a_closed_account_cannot_log_in(client: Client, ada: User) -> None:
    """With the right password neither; the page does not tell that there is one."""
    User.objects.update(is_active=False)
    page = client.post(reverse("accounts:login"), {"username": ada.email, "password": PASSWORD})
    assert "do not match" in page.text
    assert "_auth_user_id" not in client.session


def test_log_out_is_a_post(client: Client, ada: User) -> None:
    """So that no link or image of another page can log anybody out."""
    client.force_login(ada)
    assert client.get(reverse("accounts:logout")).status_code == 405
    assert client.post(reverse("accounts:logout")).headers["Location"] == reverse("accounts:login")
    assert "_auth_user_id" not in client.session


def test_changing_the_password_ends_other_sessions(client: Client, ada: User) -> None:
    """The one that changed it goes on."""
    other = Client()
    client.force_login(ada)
    other.force_login(ada)
    form = {"old_password": PASSWORD, "new_password1": NEW_PASSWORD, "new_password2": NEW_PASSWORD}
    response = client.post(reverse("accounts:password_change"), form, follow=True)
    assert "Your password is changed" in response.text
    page = reverse("accounts:password_change")
    assert client.get(page).status_code == 200
    assert other.get(page).status_code == 302


def mailed_link(client: Client, email: str) -> str:
    """What the mail to somebody who has forgotten a password leads to."""
    client.post(reverse("accounts:password_reset"), {"email": email})
    match = re.search(r"http://localhost:8000(\S+)", str(mail.outbox[-1].body))
    assert match
    return match[1]


def choose(client: Client, link: str, password: str) -> str:
    """Follow the link and set the password; the page that comes then."""
    page = client.get(link, follow=True)
    form = {"new_password1": password, "new_password2": password}
    return client.post(page.request["PATH_INFO"], form, follow=True).text


def test_a_reset_works_once(client: Client, ada: User) -> None:
    """The mailed link sets a password, then no longer works."""
    link = mailed_link(client, "ADA@example.org")
    assert mail.outbox[0].to == [ada.email]
    assert "Your new password is set" in choose(client, link, NEW_PASSWORD)
    ada.refresh_from_db()
    assert ada.check_password(NEW_PASSWORD)
    assert "This link no longer works" in client.get(link, follow=True).text


def test_a_weak_password_is_refused_by_a_reset_as_well(client: Client, ada: User) -> None:
    """At the field where it was typed, and the link still works."""
    link = mailed_link(client, ada.email)
    assert re.search(r"New password</label>\s*<ul class=\"errorlist\"", choose(client, link, "password"))
    assert "Your new password is set" in choose(client, link, NEW_PASSWORD)


def test_a_weak_password_is_refused_where_it_is_typed(client: Client, ada: User) -> None:
    """At the new password; at its repetition stands only that it differs."""
    client.force_login(ada)
    form = {"old_password": PASSWORD, "new_password1": "password", "new_password2": "passwort"}
    errors = client.post(reverse("accounts:password_change"), form).context["form"].errors
    assert errors["new_password1"] == ["This password is too common."]
    assert errors["new_password2"] == ["The two password fields didn’t match."]


def test_an_address_has_one_name(client: Client) -> None:
    """At the log-in as where it was forgotten."""
    for name in ("login", "password_reset"):
        assert ">E-mail address</label>" in client.get(reverse(f"accounts:{name}")).text


def test_a_reset_does_not_tell_who_has_an_account(client: Client, ada: User) -> None:
    """The answer is the same, and nothing is mailed to strangers."""
    known = client.post(reverse("accounts:password_reset"), {"email": ada.email}, follow=True)
    unknown = client.post(reverse("accounts:password_reset"), {"email": "eve@example.org"}, follow=True)
    assert known.text == unknown.text
    assert len(mail.outbox) == 1


def test_a_reset_leaves_mailing_to_the_worker(client: Client, ada: User, sent_tasks: SentTasks) -> None:
    """The same task is queued for everybody, so the time of the answer tells nothing either."""
    for email in (ada.email, "eve@example.org"):
        client.post(reverse("accounts:password_reset"), {"email": email})
    origin = ("localhost:8000", False)
    assert [task.args for task in sent_tasks(tasks.send_password_reset)] == [
        (ada.email, *origin),
        ("eve@example.org", *origin),
    ]
    assert mail.outbox == []


@pytest.mark.parametrize(
    ("public", "link"),
    [("https://example.org", "https://example.org/acc"), ("http://[::1]:81", "http://[::1]:81/acc")],
)
def test_a_mailed_link_leads_to_the_public_address(
    client: Client, ada: User, settings: Settings, public: str, link: str
) -> None:
    """Never to a host that whoever asked for the mail has made up."""
    settings.ALLOWED_HOSTS = ["*"]
    settings.PUBLIC_URL = public
    client.post(reverse("accounts:password_reset"), {"email": ada.email}, headers={"host": "evil.example"})
    (sent,) = mail.outbox
    assert link in sent.body
    assert "evil" not in f"{sent.subject}{sent.body}"


def test_an_account_gets_one_mail_in_five_minutes(client: Client, ada: User) -> None:
    """However often somebody asks, and in whatever spelling; the page says the same, others get theirs."""
    User.objects.create_user("bob@example.org", PASSWORD)
    pages = {
        client.post(reverse("accounts:password_reset"), {"email": email}, follow=True).text
        for email in (ada.email, ada.email, "ADA@example.org", "bob@example.org")
    }
    assert len(pages) == 1
    assert [letter.to for letter in mail.outbox] == [[ada.email], ["bob@example.org"]]
    User.objects.update(reset_mailed_at=timezone.now() - timedelta(minutes=5))
    mailed_link(client, ada.email)
    assert len(mail.outbox) == 3


def test_a_reset_without_a_broker_says_the_same(
    client: Client, ada: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The page is no error; only the log knows."""

    def refuse(*_: object, **__: object) -> None:
        raise ConnectionRefusedError

    monkeypatch.setattr(tasks.send_password_reset, "apply_async", refuse)
    response = client.post(reverse("accounts:password_reset"), {"email": ada.email})
    assert response.headers["Location"] == reverse("accounts:password_reset_done")


CONSOLE = "apps.ops.mail.ConsoleBackend"


@pytest.mark.parametrize(
    ("debug", "backend", "eager", "program"),
    [
        (True, CONSOLE, False, "celery-worker"),
        (True, CONSOLE, True, "web"),
        (False, CONSOLE, False, None),
        (True, "django.core.mail.backends.smtp.EmailBackend", False, None),
    ],
)
def test_in_development_the_page_says_where_the_mail_is(
    client: Client, settings: Settings, debug: bool, backend: str, eager: bool, program: str | None
) -> None:
    """In the log of whoever ran the task; nobody else is told of logs."""
    settings.DEBUG, settings.EMAIL_BACKEND, settings.CELERY_TASK_ALWAYS_EAGER = debug, backend, eager
    text = client.get(reverse("accounts:password_reset_done")).text
    assert ("log of" in text) == bool(program)
    assert not program or f">{program}<" in text


@pytest.mark.parametrize(
    "name", ["login", "password_reset", "password_reset_done", "password_reset_complete"]
)
def test_pages_open_to_all_are_whole(client: Client, name: str) -> None:
    """Each has a title and a heading, and nothing inline that the policy would refuse."""
    page = client.get(reverse(f"accounts:{name}")).text
    assert re.search(r"<title>\S.* · Doorito</title>", page)
    assert "<h1" in page
    assert not re.search(r"\sstyle=|\son\w+=|<script(?![^>]*src=)", page)


def test_a_missing_page_has_our_look(client: Client) -> None:
    """It says what may have happened and leads home."""
    response = client.get("/no/such/page/")
    assert response.status_code == 404
    assert "There is nothing here" in response.text


def test_a_form_without_its_token_explains_itself(ada: User) -> None:
    """It was not sent by our page, or it is too old."""
    response = Client(enforce_csrf_checks=True).post(reverse("accounts:login"), {})
    assert response.status_code == 403
    assert "The form was out of date" in response.text
