from __future__ import annotations

import pytest
from django.contrib.auth import authenticate
from django.core.exceptions import ValidationError
from django.core.management import CommandError, call_command
from django.db import IntegrityError
from django.test import RequestFactory

from apps.accounts.models import User

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("typed", ["ADA@Example.ORG", " ada@example.org ", "ａda@example.org"])
def test_one_address_has_one_spelling(typed: str) -> None:
    """Case, blanks and full-width letters make no other account of it, in storing and in looking up."""
    user = User.objects.create_user(typed)
    assert user.email == "ada@example.org"
    assert User.objects.get_by_natural_key(typed) == user


def test_a_second_account_with_another_case_is_refused(ada: User) -> None:
    """By the form, with words."""
    with pytest.raises(ValidationError, match="There is an account with this e-mail address already"):
        User(email="Ada@example.org", password="x").full_clean()


def test_the_database_itself_refuses_another_case(ada: User) -> None:
    """Also from a writer that goes round the model's own code."""
    with pytest.raises(IntegrityError, match=r"accounts_user_email_any_case|UNIQUE"):
        User.objects.bulk_create([User(email="ADA@example.org")])


def test_an_account_needs_an_address() -> None:
    """An empty one is an error of the caller."""
    with pytest.raises(ValueError, match="needs an e-mail address"):
        User.objects.create_user("  ")


def test_an_account_without_a_password_cannot_log_in() -> None:
    """Until one is set."""
    assert not User.objects.create_user("ada@example.org").has_usable_password()


def test_createsuperuser_works(monkeypatch: pytest.MonkeyPatch) -> None:
    """With Django's own command and variables; it refuses to make the same one twice."""
    monkeypatch.setenv("DJANGO_SUPERUSER_PASSWORD", "a long and quiet road")
    call_command("createsuperuser", interactive=False, email="Root@example.org", verbosity=0)
    root = authenticate(
        RequestFactory().post("/"), username="ROOT@example.org", password="a long and quiet road"
    )
    assert isinstance(root, User)
    assert root.is_superuser
    assert root.is_staff
    with pytest.raises((CommandError, IntegrityError)):
        call_command("createsuperuser", interactive=False, email="root@EXAMPLE.org", verbosity=0)
