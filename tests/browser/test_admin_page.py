from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.system.stack import Stack

pytestmark = pytest.mark.browser

PATHS = (
    "/admin/",
    "/admin/accounts/user/",
    "/admin/accounts/user/1/change/",
    "/admin/broker/queue/",
    "/admin/broker/session/",
    "/admin/broker/consumer/",
)
# A queue that no worker of the stack consumes, and a task in it that somebody died with.
GIVE_UP = """
from tests.apps.broker.peer import Peer
with Peer() as peer:
    peer.declare("parcels")
    peer.send("parcels", "shop.pack", args=["n" * 300, "<script>alert(1)</script>"])
    peer.kill("parcels")
"""
FORGET = """
from tests.apps.broker.peer import Peer
from apps.broker.models import DeadLetter
with Peer() as peer:
    peer.channel.queue_delete("parcels")
DeadLetter.objects.all().delete()
"""


@pytest.mark.parametrize("path", PATHS)
def test_the_admin_obeys_the_policy(page: Page, path: str) -> None:
    """Nothing that it does is refused, so its buttons all work."""
    page.goto(path)
    expect(page.get_by_role("link", name="Doorito administration")).to_be_visible()


@pytest.fixture
def _dead_letter(stack: Stack) -> Iterator[None]:
    stack.manage(GIVE_UP)
    yield
    stack.manage(FORGET)


@pytest.mark.usefixtures("_dead_letter")
def test_a_dead_letter_is_read_and_put_back(page: Page) -> None:
    """Its page is not wider than a phone, whatever is in it; one button puts it back."""
    page.set_viewport_size({"width": 360, "height": 800})
    page.goto("/admin/broker/deadletter/?queue=parcels")
    page.get_by_role("link", name="shop.pack").click()
    expect(page.get_by_text("<script>alert(1)</script>").first).to_be_visible()
    assert page.evaluate("() => document.documentElement.scrollWidth") <= 360
    page.get_by_role("button", name="Put back into the queue").click()
    expect(page.get_by_text("Put back: 1 dead letter.")).to_be_visible()
    page.goto("/admin/broker/queue/")
    row = page.get_by_role("row", name=re.compile("^parcels"))
    expect(row.locator(".field-ready")).to_have_text("1")


@pytest.mark.usefixtures("_dead_letter")
def test_a_discard_is_confirmed(page: Page) -> None:
    """By the list's action, and Django's own question."""
    page.goto("/admin/broker/deadletter/?queue=parcels")
    page.get_by_role("checkbox", name=re.compile("shop.pack")).check()
    page.get_by_label("Action:").select_option("Discard")
    page.get_by_role("button", name="Run").click()
    page.get_by_role("button", name="Yes").click()
    expect(page.get_by_text("Successfully deleted 1 dead letter.")).to_be_visible()
