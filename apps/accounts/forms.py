from __future__ import annotations

from typing import Any

from django import forms
from django.contrib.auth.forms import (
    AdminUserCreationForm,
    AuthenticationForm,
    UserChangeForm,
    UsernameField,
)

from apps.accounts.models import User


class LogInForm(AuthenticationForm):
    """Django's own, with the keyboard and the autofill for an e-mail address."""

    username = UsernameField(
        label="E-mail address",
        widget=forms.EmailInput(attrs={"autofocus": True, "placeholder": "you@example.org"}),
    )
    error_messages = {  # noqa: RUF012 - as Django declares it
        "invalid_login": "This e-mail address and password do not match. Check both and try again.",
        "inactive": "This account has been closed.",
    }


class NewUserForm(AdminUserCreationForm):  # type: ignore[type-arg]  # generic in the stubs alone
    class Meta:
        model = User
        fields = ("email", "name")


class UserForm(UserChangeForm):  # type: ignore[type-arg]  # generic in the stubs alone
    class Meta:
        model = User
        fields: Any = "__all__"
