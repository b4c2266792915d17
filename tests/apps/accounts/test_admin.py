from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

from apps.accounts.models import User

pytestmark = pytest.mark.django_db


def test_an_account_is_added_and_changed_by_e_mail_address(admin_client: Client) -> None:
    """The forms know no user name."""
    form = {
        "email": "Bob@example.org",
        "usable_password": "true",
        "password1": "a long and quiet road",
        "password2": "a long and quiet road",
    }
    assert admin_client.post(reverse("admin:accounts_user_add"), form).status_code == 302
    bob = User.objects.get(email="bob@example.org")
    change = reverse("admin:accounts_user_change", args=[bob.pk])
    assert admin_client.get(change).status_code == 200
    assert admin_client.post(change, {"email": "robert@example.org", "is_active": "on"}).status_code == 302
    bob.refresh_from_db()
    assert bob.email == "robert@example.org"


def test_an_address_that_is_taken_is_refused_in_any_case(admin_client: Client) -> None:
    """With words, not with an error page."""
    User.objects.create_user("bob@example.org")
    form = {"email": "BOB@example.org", "usable_password": "false"}
    response = admin_client.post(reverse("admin:accounts_user_add"), form)
    assert "There is an account with this e-mail address already" in response.text


def test_an_address_that_grows_too_long_is_refused(admin_client: Client) -> None:
    """By the length that would be stored: in lower case this letter takes the room of two."""
    form = {"email": f"{'İ' * 150}@example.org", "usable_password": "false"}
    response = admin_client.post(reverse("admin:accounts_user_add"), form)
    assert "at most 254 characters" in response.text


def test_accounts_are_found(admin_client: Client) -> None:
    """By a part of the address."""
    User.objects.create_user("bob@example.org")
    response = admin_client.get(reverse("admin:accounts_user_changelist"), {"q": "bob"})
    assert "bob@example.org" in response.text
