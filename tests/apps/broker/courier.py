"""Tasks that write into a ledger, outside of any database, what they did."""

from __future__ import annotations

import os
import select
import time
from pathlib import Path

from celery import shared_task
from django.db import connection, transaction


@shared_task(name="courier.deliver", ignore_result=True)
def deliver(ledger: str, parcel: str, seconds: float = 0) -> None:
    """Take so long, and note the parcel."""
    time.sleep(seconds)
    _note(ledger, parcel)


@shared_task(name="courier.dawdle", ignore_result=True)
def dawdle(ledger: str, parcel: str) -> None:
    """Send a parcel in a transaction that stays open until the server ends it."""
    _note(ledger, "dawdling")
    with transaction.atomic():
        deliver.delay(ledger, parcel)
        assert connection.connection
        select.select([connection.connection.fileno()], [], [], 60)


def _note(ledger: str, parcel: str) -> None:
    with Path(ledger).open("ab", buffering=0) as file:
        os.write(file.fileno(), f"{parcel}\n".encode())
