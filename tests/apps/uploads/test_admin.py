from __future__ import annotations

from collections.abc import Callable

import pytest
from django.test import Client
from django.urls import reverse

from apps.uploads.models import Upload

pytestmark = pytest.mark.django_db


def test_staff_sees_facts_but_no_file(make_upload: Callable[..., Upload], admin_client: Client) -> None:
    """No link, no path, and nothing to change."""
    upload = make_upload(name="a.txt")
    assert "a.txt" in admin_client.get(reverse("admin:uploads_upload_changelist"), {"q": "ada@"}).text
    page = admin_client.get(reverse("admin:uploads_upload_change", args=[upload.pk])).text
    assert str(upload.file.name) not in page
    assert 'name="_save"' not in page
    assert admin_client.get(reverse("admin:uploads_upload_add")).status_code == 403
