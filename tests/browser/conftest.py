"""A headless Chromium: Playwright's own where it is installed, else the system's."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import (
    Browser,
    BrowserContext,
    BrowserType,
    ConsoleMessage,
    Page,
    StorageState,
    sync_playwright,
)

from tests.system.stack import Stack

FLAGS = (
    "--no-sandbox",  # Chromium's own sandbox refuses root, which containers and CI often are
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
)
MISSING = "No Chromium: `apt-get install chromium`, or `.venv/bin/playwright install chromium`."


def _executable(chromium: BrowserType) -> str:
    if Path(chromium.executable_path).exists():
        return chromium.executable_path
    if found := shutil.which("chromium") or shutil.which("chromium-browser"):
        return found
    # A build that quietly tests no page would be worse than one that fails.
    if os.environ.get("CI") == "true":
        pytest.fail(MISSING)
    pytest.skip(MISSING)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """The browser that a module's tests share.

    Not those of other folders: Playwright keeps an event loop running, in which Django asks no database.
    """
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=_executable(playwright.chromium), args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def complaints() -> list[str]:
    """What got onto the console of any tab."""
    return []


@pytest.fixture(scope="module")
def signed_in(chromium: Browser, stack: Stack) -> StorageState:
    """What a browser keeps that has logged in, without a complaint."""
    context = chromium.new_context(base_url=stack.url)
    complaints: list[str] = []
    _listen(context, complaints)
    page = context.new_page()
    page.goto("/accounts/log-in/?next=/accounts/password/")
    page.get_by_label("E-mail address").fill(stack.email)
    page.get_by_label("Password").fill(stack.password)
    page.get_by_role("button", name="Log in").click()
    page.wait_for_url(f"{stack.url}/accounts/password/")
    state = context.storage_state()
    context.close()
    assert complaints == []
    return state


@pytest.fixture
def page(chromium: Browser, stack: Stack, signed_in: StorageState, complaints: list[str]) -> Iterator[Page]:
    """A page of a fresh browser, logged in. It fails the test if `complaints` are left."""
    context = chromium.new_context(base_url=stack.url, storage_state=signed_in)
    _listen(context, complaints)
    yield context.new_page()
    context.close()
    assert complaints == []


def _listen(context: BrowserContext, complaints: list[str]) -> None:
    """Note what gets onto the console of any tab."""
    context.on("console", lambda message: complaints.extend(_complaint(message)))
    context.on("weberror", lambda error: complaints.append(str(error.error)))


def _complaint(message: ConsoleMessage) -> list[str]:
    """Not what Chromium suggests now and then at the level "verbose", which Playwright has no type for."""
    return [] if str(message.type) == "verbose" else [_told(message)]


def _told(message: ConsoleMessage) -> str:
    return f"{message.type}: {message.text} ({message.location.get('url')})"
