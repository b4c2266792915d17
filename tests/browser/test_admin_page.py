from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.browser


@pytest.mark.parametrize("path", ["/admin/", "/admin/accounts/user/", "/admin/accounts/user/1/change/"])
def test_the_admin_obeys_the_policy(page: Page, path: str) -> None:
    """Nothing that it does is refused, so its buttons all work."""
    page.goto(path)
    expect(page.get_by_role("link", name="Doorito administration")).to_be_visible()
