"""Schedules that a variable owns: `settings.SCHEDULE_VARIABLES`, names of periodic tasks to variables."""

from __future__ import annotations

from django.conf import settings
from django.db.models import Model
from django_celery_beat.models import PeriodicTask


def owner_of(name: str) -> str | None:
    """The variable that owns the periodic task of that name, if one does."""
    variable: str | None = settings.SCHEDULE_VARIABLES.get(name)
    return variable


def owners(row: Model) -> list[str]:
    """The variables that own a row: a periodic task by its name, a schedule by the tasks that use it."""
    tasks = [row] if isinstance(row, PeriodicTask) else row.periodictask_set.all()  # type: ignore[attr-defined]
    return sorted({variable for task in tasks if (variable := owner_of(task.name))})


def take_back() -> None:
    """Undo by hand changed columns of owned rows that beat itself leaves as they are when it starts.

    The admin refuses to change them, so a row that is switched off could not be switched on there.
    """
    owned = PeriodicTask.objects.filter(name__in=settings.SCHEDULE_VARIABLES)
    owned.update(enabled=True, one_off=False, start_time=None, expires=None)
