from __future__ import annotations

from collections.abc import Collection
from typing import Any, ClassVar

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.auth.models import PermissionsMixin
from django.db import models
from django.db.models.functions import Lower
from django.utils import timezone

from apps.accounts import addresses


class UserManager(BaseUserManager["User"]):
    def create_user(self, email: str, password: str | None = None, **fields: Any) -> User:
        """A saved account; without a password nobody can log in to it until one is set.

        Raises ValueError when the address is empty.
        """
        if not email.strip():
            raise ValueError("An account needs an e-mail address.")
        user = self.model(email=addresses.normalise(email), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, email: str, password: str | None = None, **fields: Any) -> User:
        """As `create_user`, allowed everything."""
        return self.create_user(email, password, **{**fields, "is_staff": True, "is_superuser": True})

    def get_by_natural_key(self, username: str | None) -> User:
        return self.get(email=addresses.normalise(username or ""))


class User(AbstractBaseUser, PermissionsMixin):
    """A person who logs in with an e-mail address; its case does not matter."""

    # `unique` is what Django's check of USERNAME_FIELD looks for; the constraint below is what
    # holds against a writer that goes round `save`.
    email = models.EmailField(
        "e-mail address",
        unique=True,
        error_messages={"unique": "There is an account with this e-mail address already."},
    )
    name = models.CharField(max_length=150, blank=True)
    is_staff = models.BooleanField("staff", default=False, help_text="May open the administration site.")
    is_active = models.BooleanField(
        "active", default=True, help_text="May log in. Clear this rather than delete an account."
    )
    date_joined = models.DateTimeField(default=timezone.now, editable=False)
    reset_mailed_at = models.DateTimeField(null=True, editable=False)  # so that nobody gets many at once

    objects: ClassVar[UserManager] = UserManager()

    EMAIL_FIELD = "email"
    USERNAME_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []

    class Meta:
        constraints = (
            models.UniqueConstraint(
                Lower("email"),
                name="accounts_user_email_any_case",
                violation_error_message="There is an account with this e-mail address already.",
            ),
        )

    def __str__(self) -> str:
        return self.email

    def clean_fields(self, exclude: Collection[str] | None = None) -> None:
        # Before the length is checked: some letters grow as they are normalised.
        self.email = addresses.normalise(self.email)
        super().clean_fields(exclude)

    def save(self, *args: Any, **kwargs: Any) -> None:
        self.email = addresses.normalise(self.email)
        super().save(*args, **kwargs)
