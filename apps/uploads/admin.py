from __future__ import annotations

from django.contrib import admin
from django.http import HttpRequest

from apps.uploads.models import Upload


@admin.register(Upload)
class UploadAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # generic in the stubs alone
    """To look at and to delete. Files are their owners': staff sees what they are, not what they say."""

    list_display = ("name", "owner", "state", "size", "detected_type", "created_at")
    list_filter = ("state",)
    list_select_related = ("owner",)
    search_fields = ("name", "owner__email", "sha256")
    date_hierarchy = "created_at"
    exclude = ("file", "thumbnail")  # they would be links, and no address serves them

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Upload | None = None) -> bool:
        return False
