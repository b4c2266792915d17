from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.tokens import default_token_generator
from django.test import Client
from django.urls import reverse
from django.utils.encoding import force_bytes
from django.utils.http import urlsafe_base64_encode

from apps.accounts.models import User

PASSWORD = "a long and quiet road"
LIMIT = 5  # failures; AXES_FAILURE_LIMIT

pytestmark = pytest.mark.django_db


def log_in(client: Client, email: str, password: str, address: str = "192.0.2.1") -> Any:
    return client.post(
        reverse("accounts:login"), {"username": email, "password": password}, REMOTE_ADDR=address
    )


@pytest.fixture
def locked(client: Client, ada: User) -> Client:
    """A browser whose last of five guesses was in vain."""
    for _ in range(LIMIT):
        response = log_in(client, ada.email, "a guess")
    assert response.status_code == 429
    return client


def test_after_five_failures_log_in_waits(locked: Client, ada: User) -> None:
    """The right password waits too, and the page says for how long and what can be done."""
    response = log_in(locked, ada.email, PASSWORD)
    assert response.status_code == 429
    assert "Wait 15\xa0minutes" in response.text
    assert ada.email in response.text
    assert "_auth_user_id" not in locked.session


def test_four_failures_are_forgiven(client: Client, ada: User) -> None:
    """Whoever then gets it right is in, and starts from nothing."""
    for _ in range(2):
        for _ in range(LIMIT - 1):
            assert log_in(client, ada.email, "a guess").status_code == 200
        assert log_in(client, ada.email, PASSWORD).status_code == 302
        client.post(reverse("accounts:logout"))


@pytest.mark.parametrize("other", ["ADA@example.org", " Ada@Example.Org ", "ａda@example.org"])
def test_another_spelling_does_not_get_round_it(locked: Client, other: str) -> None:
    """Every spelling of an address is the same account, and waits."""
    assert log_in(locked, other, PASSWORD).status_code == 429


def test_spellings_are_counted_together(client: Client, ada: User) -> None:
    """Five guesses are five, however the address is written."""
    spellings = [
        "ada@example.org",
        "ADA@example.org",
        "Ada@example.org",
        "aDa@example.org",
        "adA@example.org",
    ]
    statuses = [log_in(client, spelling, "a guess").status_code for spelling in spellings]
    assert statuses == [200, 200, 200, 200, 429]


def test_another_account_is_not_affected(locked: Client) -> None:
    """From the same address somebody else logs in as ever."""
    User.objects.create_user("bob@example.org", PASSWORD)
    assert log_in(locked, "bob@example.org", PASSWORD).status_code == 302


def test_another_address_is_not_affected(locked: Client, ada: User) -> None:
    """Nobody can lock somebody out of an account from afar."""
    assert log_in(locked, ada.email, PASSWORD, address="192.0.2.2").status_code == 302


def test_the_admin_has_no_other_door(locked: Client, ada: User) -> None:
    """Its log-in form waits as well."""
    response = locked.post(
        reverse("admin:login"), {"username": ada.email, "password": PASSWORD}, REMOTE_ADDR="192.0.2.1"
    )
    assert response.status_code == 429


def test_an_unknown_account_waits_as_well(client: Client) -> None:
    """So that waiting does not tell which accounts exist."""
    statuses = [log_in(client, "nobody@example.org", "a guess").status_code for _ in range(LIMIT)]
    assert statuses == [200, 200, 200, 200, 429]


@pytest.mark.parametrize("name", ["İ" * 150, "İ" * 254, "\ufdfa" * 254], ids=["150", "254", "18-fold"])
def test_a_name_that_grows_as_it_is_normalised_is_counted(client: Client, name: str) -> None:
    """Some letters become two or more; the log-in and the wait are as for any other stranger."""
    statuses = [log_in(client, name, "a guess").status_code for _ in range(LIMIT)]
    assert statuses == [200, 200, 200, 200, 429]


def reset(client: Client, user: User, password: str) -> None:
    """Set a new password, as the mailed link does."""
    arguments = [urlsafe_base64_encode(force_bytes(user.pk)), default_token_generator.make_token(user)]
    page = client.get(reverse("accounts:password_reset_confirm", args=arguments), follow=True)
    form = {"new_password1": password, "new_password2": password}
    client.post(page.request["PATH_INFO"], form)


def test_a_reset_ends_the_wait(locked: Client, ada: User) -> None:
    """Whoever reads the account's mail has shown who they are, and logs in from there at once."""
    reset(locked, ada, "another and shorter road")
    assert log_in(locked, ada.email, "another and shorter road").status_code == 302


def test_a_reset_that_fails_ends_no_wait(locked: Client, ada: User) -> None:
    """Nor does another account's."""
    reset(locked, ada, "password")
    bob = User.objects.create_user("bob@example.org", PASSWORD)
    reset(Client(), bob, "another and shorter road")
    assert log_in(locked, ada.email, PASSWORD).status_code == 429
