"""django-celery-beat's admin, which leaves to the variables what they own.

Beat puts an owned row back at its next start; an edit that seems to work until then would mislead.
"""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.actions import delete_selected
from django.contrib.admin.utils import quote, unquote
from django.core.exceptions import ValidationError
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse

# Imported, it registers its own classes, which are then replaced.
from django_celery_beat import admin as beat
from django_celery_beat.models import (
    ClockedSchedule,
    CrontabSchedule,
    IntervalSchedule,
    PeriodicTask,
    SolarSchedule,
)

from apps.scheduler.ownership import owner_of, owners


def _owned_by(variables: list[str]) -> str:
    return f"{' and '.join(variables)} owns this schedule: set that variable and restart celery-beat."


class OwnedRows:
    """For a ModelAdmin: rows that a variable owns can be looked at, and neither changed nor deleted."""

    actions: tuple[str, ...] = ("delete_selected",)

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return not (obj and owners(obj)) and super().has_change_permission(request, obj)  # type: ignore[misc]

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return not (obj and owners(obj)) and super().has_delete_permission(request, obj)  # type: ignore[misc]

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """The form, read-only for an owned row, with the variable's name on top."""
        row, variables = self._find(request, object_id)
        if row and variables and request.method == "POST":
            return self._refuse(request, row, variables)
        if variables:
            messages.warning(request, _owned_by(variables))
        return super().changeform_view(request, object_id, form_url, extra_context)  # type: ignore[misc, no-any-return]

    def delete_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        row, variables = self._find(request, object_id)
        if row and variables:
            return self._refuse(request, row, variables)
        return super().delete_view(request, object_id, extra_context)  # type: ignore[misc, no-any-return]

    @admin.action(permissions=["delete"], description="Delete selected %(verbose_name_plural)s")
    def delete_selected(self, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse | None:
        free = self._free(request, queryset)
        return delete_selected(self, request, free) if free.exists() else None  # type: ignore[arg-type]

    def _find(self, request: HttpRequest, object_id: str | None) -> tuple[Model | None, list[str]]:
        """The row, where the user may look at it, and the variables that own it."""
        row: Model | None = self.get_object(request, unquote(object_id)) if object_id else None  # type: ignore[attr-defined]
        if row is None or not self.has_view_permission(request, row):  # type: ignore[attr-defined]
            return None, []
        return row, owners(row)

    def _refuse(self, request: HttpRequest, row: Model, variables: list[str]) -> HttpResponse:
        messages.error(request, f"Nothing was changed. {_owned_by(variables)}")
        page = f"admin:{row._meta.app_label}_{row._meta.model_name}_change"
        return HttpResponseRedirect(reverse(page, args=[quote(row.pk)]))

    def _free(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Those of the rows that no variable owns; says which ones are left out, and why."""
        owned = [(row, variables) for row in queryset if (variables := owners(row))]
        for row, variables in owned:
            messages.warning(request, f"“{row}” was left as it is. {_owned_by(variables)}")
        return queryset.exclude(pk__in=[row.pk for row, _ in owned])


class PeriodicTaskForm(beat.PeriodicTaskForm):
    """Refuses to give another task, or a new one, a name that a variable owns."""

    def clean_name(self) -> str:
        name: str = self.cleaned_data["name"]
        if variable := owner_of(name):
            raise ValidationError(f"{variable} owns the schedule of this name; choose another one.")
        return name


class PeriodicTaskAdmin(OwnedRows, beat.PeriodicTaskAdmin):
    """Its bulk actions leave owned rows out; they can be run, since that changes no schedule."""

    form = PeriodicTaskForm
    actions = (*beat.PeriodicTaskAdmin.actions, *OwnedRows.actions)

    @admin.action(description="Enable selected tasks")
    def enable_tasks(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        if (free := self._free(request, queryset)).exists():
            super().enable_tasks(request, free)

    @admin.action(description="Disable selected tasks")
    def disable_tasks(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        if (free := self._free(request, queryset)).exists():
            super().disable_tasks(request, free)

    @admin.action(description="Toggle activity of selected tasks")
    def toggle_tasks(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        if (free := self._free(request, queryset)).exists():
            super().toggle_tasks(request, free)


class ScheduleAdmin(OwnedRows, beat.ScheduleAdmin):
    """A schedule that an owned task uses is owned with it: deleting it would delete the task."""


class ClockedScheduleAdmin(OwnedRows, beat.ClockedScheduleAdmin):
    """As `ScheduleAdmin`."""


class CrontabScheduleAdmin(OwnedRows, beat.CrontabScheduleAdmin):
    """As `ScheduleAdmin`."""


# Solar schedules need the package ephem; without it, beat ends at the first one, at every start.
admin.site.unregister(SolarSchedule)
for _model, _admin in (
    (PeriodicTask, PeriodicTaskAdmin),
    (IntervalSchedule, ScheduleAdmin),
    (CrontabSchedule, CrontabScheduleAdmin),
    (ClockedSchedule, ClockedScheduleAdmin),
):
    admin.site.unregister(_model)
    admin.site.register(_model, _admin)
