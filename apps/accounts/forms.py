from __future__ import annotations

from typing import Any

from django import forms
from django.contrib.auth.forms import (
    AdminUserCreationForm,
    AuthenticationForm,
    PasswordChangeForm,
    PasswordResetForm,
    SetPasswordForm,
    UserChangeForm,
    UsernameField,
)

from apps.accounts.models import User

ADDRESS = "E-mail address"


class LogInForm(AuthenticationForm):
    """Django's own, with the keyboard and the autofill for an e-mail address."""

    username = UsernameField(
        label=ADDRESS,
        widget=forms.EmailInput(attrs={"autofocus": True, "placeholder": "you@example.org"}),
    )
    error_messages = AuthenticationForm.error_messages | {
        "invalid_login": "This e-mail address and password do not match. Check both and try again.",
    }


class ForgottenPasswordForm(PasswordResetForm):
    """Django's own, with the address called what the log-in calls it."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["email"].label = ADDRESS


class _ReasonsFirst:
    """Why a password is refused stands where it was typed, not below its repetition as Django has it."""

    def validate_password_for_user(self, user: User, password_field_name: str = "") -> None:
        super().validate_password_for_user(user, "new_password1")  # type: ignore[misc]  # of Django's mixin


class ResetPasswordForm(_ReasonsFirst, SetPasswordForm[User]):
    pass


class ChangePasswordForm(_ReasonsFirst, PasswordChangeForm):
    pass


class NewUserForm(AdminUserCreationForm):  # type: ignore[type-arg]  # generic in the stubs alone
    class Meta:
        model = User
        fields = ("email", "name")


class UserForm(UserChangeForm):  # type: ignore[type-arg]  # generic in the stubs alone
    class Meta:
        model = User
        fields: Any = "__all__"
