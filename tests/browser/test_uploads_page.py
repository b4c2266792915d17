from __future__ import annotations

import hashlib
import io
import re
import time
from itertools import pairwise

import pytest
from PIL import Image
from playwright.sync_api import Browser, Dialog, FilePayload, Locator, Page, Route, expect

pytestmark = pytest.mark.browser

SOON_MS = 20_000  # a loaded machine is slow, not wrong


@pytest.fixture(autouse=True)
def _open(page: Page) -> None:
    page.goto("/")


def picture() -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (60, 30), "orange").save(out, "PNG")
    return out.getvalue()


def text(name: str) -> FilePayload:
    return {"name": name, "mimeType": "text/plain", "buffer": name.encode()}


def drop(page: Page, files: dict[str, bytes]) -> None:
    """Drop files onto the form, as a person does with the mouse."""
    page.locator("#upload-form").evaluate(
        """(form, files) => {
            const dataTransfer = new DataTransfer();
            for (const [name, bytes] of Object.entries(files))
                dataTransfer.items.add(new File([new Uint8Array(bytes)], name));
            for (const type of ["dragover", "drop"])
                form.dispatchEvent(new DragEvent(type, { dataTransfer, bubbles: true, cancelable: true }));
        }""",
        {name: list(content) for name, content in files.items()},
    )


def row(page: Page, name: str) -> Locator:
    return page.locator("#uploads > li", has=page.get_by_role("heading", name=name, exact=True))


def test_dropped_files_reach_done_without_a_reload(page: Page) -> None:
    """Both show what was found out about them; the first one has its picture."""
    page.evaluate("() => { window.isTheSamePage = true; }")
    files = {"orange.png": picture(), "notes.txt": b"Milk, bread\n"}
    drop(page, files)
    for name, content in files.items():
        expect(row(page, name).get_by_text("done", exact=True)).to_be_visible(timeout=SOON_MS)
        expect(row(page, name)).to_contain_text(hashlib.sha256(content).hexdigest())
    expect(row(page, "orange.png")).to_contain_text("image/png · 60 × 30")
    expect(row(page, "orange.png").locator("img")).to_have_js_property("naturalWidth", 60)
    expect(page.locator("#transfers > li")).to_have_count(0)
    assert page.evaluate("() => window.isTheSamePage")


def test_a_file_above_the_limit_is_refused_before_it_is_sent(page: Page) -> None:
    """With its name and the limit; the others go on."""
    drop(page, {"big.bin": bytes(1_000_001), "small.bin": b"\0"})
    refusal = page.locator("#transfers > li")
    expect(refusal).to_contain_text("“big.bin” is larger than 1 MB, the limit for a file.")
    expect(row(page, "small.bin").get_by_text("done", exact=True)).to_be_visible(timeout=SOON_MS)
    refusal.get_by_role("button", name="Dismiss").click()
    expect(refusal).to_have_count(0)


def test_a_name_is_shown_and_never_run(page: Page) -> None:
    """Nor is it in the question before it is deleted."""
    name = '<img src=x onerror=alert(1)>".txt'
    drop(page, {name: b"hello"})
    expect(row(page, name).get_by_text("done", exact=True)).to_be_visible(timeout=SOON_MS)
    questions: list[str] = []

    def answer(dialog: Dialog) -> None:
        questions.append(dialog.message)
        dialog.accept()

    page.on("dialog", answer)
    row(page, name).get_by_role("button", name="Delete").click()
    expect(row(page, name)).to_have_count(0)
    assert questions == [f"Delete “{name}”? This cannot be undone."]


def test_the_keyboard_is_enough(page: Page) -> None:
    """Choosing by the file field, deleting by Enter; focus then stays at the list."""
    page.get_by_label("Choose files").set_input_files(text("keys.txt"))
    expect(row(page, "keys.txt").get_by_text("done", exact=True)).to_be_visible(timeout=SOON_MS)
    page.once("dialog", lambda dialog: dialog.accept())
    row(page, "keys.txt").get_by_role("button", name="Delete").focus()
    page.keyboard.press("Enter")
    expect(row(page, "keys.txt")).to_have_count(0)
    expect(page.get_by_role("heading", name="Your files")).to_be_focused()


def test_what_another_tab_has_deleted_leaves_the_list(page: Page) -> None:
    """By the same button, without any complaint."""
    drop(page, {"twice.txt": b"2"})
    expect(row(page, "twice.txt").get_by_text("done", exact=True)).to_be_visible(timeout=SOON_MS)
    other = page.context.new_page()
    other.goto(page.url)
    for tab in (page, other):
        tab.once("dialog", lambda dialog: dialog.accept())
        row(tab, "twice.txt").get_by_role("button", name="Delete").click()
        expect(row(tab, "twice.txt")).to_have_count(0)
        expect(tab.get_by_role("alert")).to_be_hidden()


def test_the_page_goes_on_by_itself_when_the_server_comes_back(page: Page, complaints: list[str]) -> None:
    """It asks less and less often, and says so in one line until it is answered."""
    asked_at: list[float] = []

    def fail(route: Route) -> None:
        asked_at.append(time.monotonic())
        if len(asked_at) % 2:
            route.fulfill(status=500, body="<h1>Server Error</h1>")
        else:
            route.abort("connectionrefused")

    page.route(re.compile("/changes/"), fail)
    drop(page, {"patient.txt": b"p"})
    away = page.get_by_text("The server does not answer.")
    expect(away).to_be_visible(timeout=SOON_MS)
    while len(asked_at) < 4:
        page.wait_for_timeout(100)  # milliseconds
    pauses = [after - before for before, after in pairwise(asked_at)]
    assert pauses[0] < pauses[1] < pauses[2]
    expect(row(page, "patient.txt")).to_be_visible()
    page.unroute(re.compile("/changes/"))
    expect(row(page, "patient.txt").get_by_text("done", exact=True)).to_be_visible(timeout=SOON_MS)
    expect(away).to_be_hidden()
    assert all("/changes/" in complaint for complaint in complaints)  # the browser's own
    complaints.clear()


def test_an_update_does_not_take_the_focus(page: Page) -> None:
    """A button that is focused while its row is exchanged is focused after it."""

    def slowly(route: Route) -> None:
        page.wait_for_timeout(300)  # milliseconds, in which the button is focused
        route.continue_()

    page.route(re.compile("/changes/"), slowly)
    drop(page, {"focus.txt": b"f"})
    expect(row(page, "focus.txt")).to_be_visible(timeout=SOON_MS)
    row(page, "focus.txt").get_by_role("button", name="Delete").focus()
    expect(row(page, "focus.txt").get_by_text("done", exact=True)).to_be_visible(timeout=SOON_MS)
    expect(row(page, "focus.txt").get_by_role("button", name="Delete")).to_be_focused()


def test_the_page_works_without_scripts(page: Page, chromium: Browser) -> None:
    """A plain form, a plain list, and a reload in place of the updates."""
    context = chromium.new_context(java_script_enabled=False, storage_state=page.context.storage_state())
    plain = context.new_page()
    plain.goto(page.url)
    plain.locator("#files").set_input_files([text("one.txt"), text("two.txt")])
    plain.get_by_role("button", name="Upload").click()
    for name in ("one.txt", "two.txt"):
        expect(row(plain, name)).to_be_visible()
    row(plain, "one.txt").get_by_role("button", name="Delete").click()
    expect(plain.get_by_role("status").first).to_contain_text("“one.txt” was deleted.")
    context.close()


def test_polling_ends_when_all_is_finished(page: Page) -> None:
    """An idle page asks nothing."""
    drop(page, {"quiet.txt": b"q"})
    expect(row(page, "quiet.txt").get_by_text("done", exact=True)).to_be_visible(timeout=SOON_MS)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.wait_for_timeout(2500)  # milliseconds: two polls
    assert asked == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_no_page_scrolls_sideways(page: Page, scheme: str, width: int) -> None:
    """On a phone as on a desk, in both colours, with a name that has no blank to break at."""
    drop(page, {"n" * 150 + ".txt": b"n"})
    expect(page.locator("#uploads > li").first).to_be_visible(timeout=SOON_MS)
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    page.set_viewport_size({"width": width, "height": 800})
    assert page.evaluate("() => document.documentElement.scrollWidth") <= width


def test_the_admin_obeys_the_policy(page: Page) -> None:
    """Also where it lists uploads."""
    page.goto("/admin/uploads/upload/")
    expect(page.get_by_role("heading", name="Select upload to view")).to_be_visible()
