"""The broker's queues and dead letters as a terminal or a program reads them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

from django.utils.timezone import localtime

from apps.broker.letter import last_reason, opened
from apps.broker.models import DeadLetter
from apps.broker.overview import QueueState

_UNITS: Final = (("d", 86_400), ("h", 3600), ("m", 60), ("s", 1))  # seconds in each
_NUMBERS: Final = {"READY", "DELAYED", "UNACKED", "OLDEST", "CONSUMERS", "DEAD", "ID", "DEATHS"}


def queues_table(states: Iterable[QueueState]) -> str:
    """A line a queue."""
    heads = ("QUEUE", "READY", "DELAYED", "UNACKED", "OLDEST", "CONSUMERS", "DEAD")
    return _table(heads, [
        (one.name if one.declared else f"{one.name} (deleted)", one.ready, one.delayed, one.unacknowledged,
         duration(one.oldest_s), one.consumers, one.dead)
        for one in states
    ])  # fmt: skip


def queue_facts(state: QueueState) -> dict[str, Any]:
    """A queue for machines; `oldest_s` in seconds, null where nothing waits."""
    oldest = state.oldest_s
    return state._asdict() | {"oldest_s": None if oldest is None else round(oldest, 3)}


def letters_table(letters: Iterable[DeadLetter]) -> str:
    """A line a dead letter."""
    heads = ("ID", "QUEUE", "TASK", "DEATHS", "GIVEN UP", "LAST REASON")
    return _table(heads, [
        (one.id, one.queue, opened(one.envelope).task or "-", one.deaths,
         f"{localtime(one.died_at):%Y-%m-%d %H:%M:%S %Z}", last_reason(one.history) or "-")
        for one in letters
    ])  # fmt: skip


def letter_facts(letter: DeadLetter) -> dict[str, Any]:
    """A dead letter for machines."""
    known = opened(letter.envelope)
    return {
        "id": letter.id,
        "queue": letter.queue,
        "task": known.task or None,
        "task_id": known.task_id or None,
        "deaths": letter.deaths,
        "died_at": letter.died_at.isoformat(),
        "last_reason": last_reason(letter.history) or None,
        "history": letter.history or [],
    }


def duration(seconds: float | None) -> str:
    """Its two largest units, such as "2h 5m"; "-" for None."""
    if seconds is None:
        return "-"
    left = max(0, int(seconds))
    parts: list[str] = []
    for unit, size in _UNITS:
        count, left = divmod(left, size)
        if count or parts:
            parts.append(f"{count}{unit}")
    return " ".join(part for part in parts[:2] if part[:-1] != "0") or "0s"


def _table(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    cells = [[_harmless(str(cell)) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(heads, *cells, strict=True)]
    return "\n".join(_line(heads, row, widths) for row in (heads, *cells))


def _line(heads: Sequence[str], row: Sequence[str], widths: Sequence[int]) -> str:
    padded = (
        cell.rjust(width) if head in _NUMBERS else cell.ljust(width)
        for head, cell, width in zip(heads, row, widths, strict=True)
    )
    return "  ".join(padded).rstrip()


def _harmless(text: str) -> str:
    """With nothing in it that a terminal would obey."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
