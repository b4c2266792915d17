from __future__ import annotations

from celery import shared_task

from apps.accounts import services


@shared_task(name="accounts.send_password_reset", ignore_result=True)
def send_password_reset(email: str, domain: str, use_https: bool) -> None:
    services.send_password_reset(email, domain, use_https)
