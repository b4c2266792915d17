"""Pages of the admin that show and change nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from django.contrib import admin, messages
from django.contrib.admin.views.main import ChangeList
from django.db import DatabaseError, InterfaceError
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from apps.broker import whereabouts
from apps.broker.errors import NO_TABLES


class FiguredList(ChangeList):
    """Looks the figures of a whole page up at once."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        self.result_list = list(self.result_list)
        reason = whereabouts.absence()
        if reason:
            self.notes = [format_html("Nothing is here: {}.", reason)]
        else:
            self.notes = cast("ReadOnlyAdmin", self.model_admin).figure(self.result_list)


class ReadOnlyAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # generic in the stubs alone
    """To look at. Where another broker serves, the pages open and say so."""

    actions: Any = None

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        rows = super().get_queryset(request)
        return rows.none() if whereabouts.absence() else rows

    def get_changelist(self, request: HttpRequest, **_: Any) -> type[ChangeList]:
        return FiguredList

    def figure(self, rows: Sequence[Any]) -> list[SafeString]:
        """Give the rows what their tables do not hold; what is to be said above the list."""
        return []

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        found = super().get_object(request, object_id, from_field)
        if found:
            self.figure([found])
        return found

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        try:
            return super().changelist_view(request, extra_context)
        except (DatabaseError, InterfaceError) as error:
            lacks = isinstance(error, DatabaseError) and whereabouts.lacks_tables(error)
            messages.error(request, NO_TABLES if lacks else f"the broker's database does not answer: {error}")
            return HttpResponseRedirect(reverse("admin:index"))
