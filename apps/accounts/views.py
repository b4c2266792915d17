from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib.auth import views as auth
from django.contrib.auth.forms import PasswordResetForm, SetPasswordForm
from django.http import HttpResponse, HttpResponseRedirect
from django.urls import reverse_lazy

from apps.accounts import lockout, services
from apps.accounts.forms import ChangePasswordForm, ForgottenPasswordForm, LogInForm, ResetPasswordForm
from apps.accounts.models import User


class LogIn(auth.LoginView):
    template_name = "accounts/login.html"
    authentication_form = LogInForm
    redirect_authenticated_user = True


class PasswordChange(auth.PasswordChangeView):
    template_name = "accounts/password_change.html"
    form_class = ChangePasswordForm
    success_url = reverse_lazy("accounts:password_change_done")


class PasswordReset(auth.PasswordResetView):
    template_name = "accounts/password_reset.html"
    form_class = ForgottenPasswordForm
    success_url = reverse_lazy("accounts:password_reset_done")

    def form_valid(self, form: PasswordResetForm) -> HttpResponse:
        """Mail from the worker, not from here: how long a mail server takes tells who exists."""
        services.request_password_reset(form.cleaned_data["email"])
        return HttpResponseRedirect(str(self.success_url))


class PasswordResetDone(auth.PasswordResetDoneView):
    template_name = "accounts/password_reset_done.html"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """With `log_of`, the program whose log holds the mail, where no mail leaves the machine."""
        logged = settings.DEBUG and settings.EMAIL_BACKEND == "apps.ops.mail.ConsoleBackend"
        program = "web" if settings.CELERY_TASK_ALWAYS_EAGER else "celery-worker"
        return super().get_context_data(**kwargs) | {"log_of": program if logged else None}


class PasswordResetConfirm(auth.PasswordResetConfirmView):
    template_name = "accounts/password_reset_confirm.html"
    form_class = ResetPasswordForm
    success_url = reverse_lazy("accounts:password_reset_complete")

    def form_valid(self, form: SetPasswordForm[User]) -> HttpResponse:
        """Whoever reads the account's mail is its owner, and need not wait for somebody's guesses."""
        response = super().form_valid(form)
        lockout.lift(form.user)
        return response
