"""What the broker tells the program."""

from __future__ import annotations

from typing import Final

from django.dispatch import Signal

# A message has become a dead letter: `envelope` and `body` as stored, `deaths`, and the `reason` of the last.
given_up: Final = Signal()
