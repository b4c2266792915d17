from __future__ import annotations

import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.contrib.messages import get_messages
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import Settings

from apps.accounts.models import User
from apps.uploads import services, views
from apps.uploads.models import Upload

pytestmark = pytest.mark.django_db

State = Upload.State
HTMX = {"HX-Request": "true"}
PRIVATE = ["download", "thumbnail", "delete", "retry"]


@pytest.fixture
def page(client: Client, owner: User) -> Client:
    """The owner's browser."""
    client.force_login(owner)
    return client


def send(client: Client, *files: Any, headers: dict[str, str] | None = None) -> Any:
    return client.post(reverse("uploads:create"), {"files": files}, headers=headers)


def said(response: Any) -> list[str]:
    return [str(message) for message in get_messages(response.wsgi_request)]


# Who sees what


@pytest.mark.parametrize("name", PRIVATE)
@pytest.mark.parametrize("method", ["get", "post"])
def test_others_find_nothing(
    make_upload: Callable[..., Upload],
    encode: Callable[..., bytes],
    stranger: User,
    name: str,
    method: str,
) -> None:
    """Not even staff: neither files nor thumbnails, and a button does what it does with no upload."""
    upload = make_upload(encode("PNG"))
    services.process(upload.pk)
    client = Client()
    client.force_login(stranger)
    answers = [
        getattr(client, method)(reverse(f"uploads:{name}", args=[pk])) for pk in (upload.pk, uuid.uuid4())
    ]
    assert answers[0].status_code in {302, 404, 405}
    assert len({(answer.status_code, frozenset(said(answer))) for answer in answers}) == 1
    assert Upload.objects.filter(pk=upload.pk).exists()


def test_others_get_no_row(make_upload: Callable[..., Upload], stranger: User) -> None:
    """In the list and in what changes they see nothing of it."""
    upload = make_upload(name="a secret.txt")
    client = Client()
    client.force_login(stranger)
    assert "a secret.txt" not in client.get(reverse("uploads:list")).text
    changes = client.get(reverse("uploads:changes"), {"seen": f"{upload.pk}:done"})
    assert "a secret.txt" not in changes.text


@pytest.mark.parametrize("name", [*PRIVATE, "list", "changes", "create"])
def test_nobody_gets_in_without_logging_in(
    make_upload: Callable[..., Upload], client: Client, name: str
) -> None:
    """A page leads to the log-in; a script's request reloads its page."""
    arguments = [make_upload().pk] if name in PRIVATE else []
    method = client.post if name in {"create", "delete", "retry"} else client.get
    url = reverse(f"uploads:{name}", args=arguments)
    assert method(url).headers["Location"] == f"/accounts/log-in/?next={url}"
    assert method(url, headers=HTMX).headers["HX-Refresh"] == "true"
    assert Upload.objects.count() == len(arguments)


@pytest.mark.parametrize("name", ["delete", "retry", "create"])
def test_forms_need_their_token(make_upload: Callable[..., Upload], owner: User, name: str) -> None:
    """Also the one whose check is put off until the size is guarded."""
    client = Client(enforce_csrf_checks=True)
    client.force_login(owner)
    arguments = [] if name == "create" else [make_upload().pk]
    assert client.post(reverse(f"uploads:{name}", args=arguments)).status_code == 403


# Uploading


def test_a_plain_form_takes_many_files(page: Client, sent: Callable[..., Any]) -> None:
    """Without any script."""
    response = send(page, sent(name="a.txt"), sent(name="b.txt"))
    assert response.headers["Location"] == reverse("uploads:list")
    assert set(Upload.objects.values_list("name", flat=True)) == {"a.txt", "b.txt"}


def test_too_large_a_file_does_not_hold_up_the_others(
    page: Client, sent: Callable[..., Any], settings: Settings
) -> None:
    """It is named with the limit; what was sent before and after it arrives."""
    settings.UPLOAD_MAX_BYTES = 100_000
    response = send(page, sent(b"1", "a.txt"), sent(bytes(3_000_000), "big.bin"), sent(b"2", "b.txt"))
    assert said(response) == ["“big.bin” is larger than 100 kB, the limit for a file. Choose a smaller one."]
    assert set(Upload.objects.values_list("name", flat=True)) == {"a.txt", "b.txt"}


def test_a_script_gets_the_row_or_the_reason(
    page: Client, sent: Callable[..., Any], settings: Settings
) -> None:
    """A row to insert, or plain text to show."""
    settings.UPLOAD_MAX_BYTES = 10
    response = send(page, sent(), headers=HTMX)
    assert response.status_code == 201
    assert f'id="upload-{Upload.objects.get().pk}"' in response.text
    response = send(page, sent(bytes(11), "<b>.bin"), headers=HTMX)
    assert (response.status_code, response.headers["Content-Type"]) == (400, "text/plain; charset=utf-8")
    assert "“<b>.bin” is larger than 10 bytes" in response.text


def test_no_file_is_said(page: Client) -> None:
    """Sent without choosing one."""
    assert said(page.post(reverse("uploads:create"))) == ["No file arrived. Choose one or more files first."]


def test_a_name_can_be_anything(page: Client) -> None:
    """It is shown escaped, comes back with the file, and is no path."""
    name = "<script>alert(1)<%22 – 日本語.txt"
    boundary = "frontier"
    body = (
        f'--{boundary}\r\nContent-Disposition: form-data; name="files"; filename="../../etc/{name}"\r\n'
        f"Content-Type: text/html\r\n\r\nhello\r\n--{boundary}--\r\n"
    )
    page.generic(
        "POST", reverse("uploads:create"), body.encode(), f"multipart/form-data; boundary={boundary}"
    )
    upload = Upload.objects.get()
    assert upload.name == '<script>alert(1)<" – 日本語.txt'
    shown = page.get(reverse("uploads:list")).text
    assert "<script>alert" not in shown
    assert "&lt;script&gt;alert(1)&lt;&quot; – 日本語.txt" in shown
    response = page.get(reverse("uploads:download", args=[upload.pk]))
    response.close()
    assert response.headers["Content-Disposition"] == (
        "attachment; filename*=utf-8''"
        "%3Cscript%3Ealert%281%29%3C%22%20%E2%80%93%20%E6%97%A5%E6%9C%AC%E8%AA%9E.txt"
    )


# Files


def test_a_download_is_an_attachment_that_cannot_run(
    make_upload: Callable[..., Upload], page: Client
) -> None:
    """A page in HTML is bytes like any other."""
    upload = make_upload(b"<script>alert(1)</script>", name='a "page".html', claimed_type="text/html")
    response = page.get(reverse("uploads:download", args=[upload.pk]))
    assert b"".join(response.streaming_content) == b"<script>alert(1)</script>"  # type: ignore[attr-defined]
    assert response.headers["Content-Type"] == "application/octet-stream"
    assert response.headers["Content-Disposition"] == r'attachment; filename="a \"page\".html"'
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.headers["Content-Security-Policy"] == "default-src 'none'; sandbox"


def test_a_thumbnail_is_our_own_image(
    make_upload: Callable[..., Upload], encode: Callable[..., bytes], page: Client
) -> None:
    """Shown in the page, kept by this browser alone, and saying nothing of where it is stored."""
    upload = make_upload(encode("PNG"))
    services.process(upload.pk)
    response = page.get(reverse("uploads:thumbnail", args=[upload.pk]))
    assert b"".join(response.streaming_content)[8:12] == b"WEBP"  # type: ignore[attr-defined]
    assert response.headers["Content-Type"] == "image/webp"
    assert response.headers["Content-Disposition"] == 'inline; filename="thumbnail.webp"'
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert "private" in response.headers["Cache-Control"]


def test_a_file_that_is_gone_is_not_found(make_upload: Callable[..., Upload], page: Client) -> None:
    """No error page of ours, and the same for a thumbnail that was never made."""
    upload = make_upload()
    Path(upload.file.path).unlink()
    for name in ("download", "thumbnail"):
        assert page.get(reverse(f"uploads:{name}", args=[upload.pk])).status_code == 404


def test_stored_files_have_no_address(make_upload: Callable[..., Upload], page: Client) -> None:
    """They are served by the views above alone."""
    upload = make_upload()
    assert page.get(f"/{upload.file.name}").status_code == 404
    assert page.get(f"/media/{upload.file.name}").status_code == 404


# The list


def test_an_empty_list_says_so(page: Client) -> None:
    """And what happens next."""
    assert "Nothing here yet" in page.get(reverse("uploads:list")).text


@pytest.mark.parametrize(
    ("fields", "shown"),
    [
        ({"state": State.WAITING}, ["waiting", "data-seen="]),
        ({"state": State.WORKING}, ["working", "data-seen="]),
        ({"state": State.DONE, "sha256": "ab" * 32, "detected_type": "text/plain"}, ["done", "ab" * 32]),
        ({"state": State.FAILED, "reason": "It is so."}, ["failed", "It is so.", "Try again"]),
        (
            {"state": State.DONE, "detected_type": "application/pdf", "claimed_type": "image/png"},
            ["Sent as image/png; the content is application/pdf."],
        ),
    ],
)
def test_a_row_shows_its_state(
    make_upload: Callable[..., Upload], page: Client, fields: dict[str, str], shown: list[str]
) -> None:
    """And what is known by then; only unfinished ones are asked about again."""
    make_upload(**fields)
    text = page.get(reverse("uploads:list")).text
    assert all(part in text for part in shown)
    assert ("data-seen=" in text) == (fields["state"] in Upload.UNFINISHED)


def test_long_lists_have_pages(
    make_upload: Callable[..., Upload], page: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Newest first; a page that is not there is the last one."""
    monkeypatch.setattr(views, "PER_PAGE", 2)
    for number in range(3):
        make_upload(name=f"number {number}")
    first = page.get(reverse("uploads:list")).text
    assert "number 2" in first
    assert "number 0" not in first
    assert 'href="?page=2"' in first
    assert "number 0" in page.get(reverse("uploads:list"), {"page": "99"}).text


def test_the_list_costs_the_same_however_long(
    make_upload: Callable[..., Upload], page: Client, django_assert_num_queries: Any
) -> None:
    """No query for each row."""
    for _ in range(5):
        make_upload()
    with django_assert_num_queries(4):  # the session, the user, the count and the rows
        page.get(reverse("uploads:list"))


# Changes


def test_only_what_changed_is_sent(make_upload: Callable[..., Upload], page: Client) -> None:
    """So that nothing else loses focus or is read out again."""
    same = make_upload(name="same.txt")
    other = make_upload(name="other.txt", state=State.FAILED, reason="It is so.")
    gone = uuid.uuid4()
    seen = [f"{same.pk}:waiting", f"{other.pk}:working", f"{gone}:waiting", "nonsense", "x:y:z"]
    text = page.get(reverse("uploads:changes"), {"seen": seen}, headers=HTMX).text
    assert "same.txt" not in text
    assert f'<li id="upload-{other.pk}" hx-swap-oob="true"' in text
    assert f'<li id="upload-{gone}" hx-swap-oob="delete">' in text
    assert "other.txt: failed. It is so." in text


def test_no_change_is_an_empty_answer(make_upload: Callable[..., Upload], page: Client) -> None:
    """Nothing to swap, nothing to say."""
    upload = make_upload()
    response = page.get(reverse("uploads:changes"), {"seen": f"{upload.pk}:waiting"}, headers=HTMX)
    assert response.text.strip() == ""


def test_a_long_wait_is_said_once(make_upload: Callable[..., Upload], page: Client) -> None:
    """When the worker is stopped, say: in the list, and to a page that shows it as waiting."""
    upload = make_upload(state_since=timezone.now() - Upload.LONG_WAIT)
    words = "examined as soon as a worker is free"
    assert words in page.get(reverse("uploads:list")).text
    changes = reverse("uploads:changes")
    text = page.get(changes, {"seen": f"{upload.pk}:waiting"}, headers=HTMX).text
    assert words in text
    assert "hello.txt: still waiting" in text
    assert f'data-seen="{upload.pk}:late"' in text
    assert page.get(changes, {"seen": f"{upload.pk}:late"}, headers=HTMX).text.strip() == ""
    Upload.objects.update(state=State.WORKING)
    assert words not in page.get(changes, {"seen": f"{upload.pk}:late"}, headers=HTMX).text


# Buttons


def test_delete_removes_it(make_upload: Callable[..., Upload], page: Client) -> None:
    """With a message on the next page, or to the script for reading out."""
    upload = make_upload(name="a.txt")
    response = page.post(reverse("uploads:delete", args=[upload.pk]))
    assert said(response) == ["“a.txt” was deleted."]
    upload = make_upload(name="<b>.txt")
    response = page.post(reverse("uploads:delete", args=[upload.pk]), headers=HTMX)
    assert "“&lt;b&gt;.txt” was deleted." in response.text
    assert not Upload.objects.exists()


@pytest.mark.parametrize("name", ["delete", "retry"])
def test_what_is_gone_leaves_the_list(make_upload: Callable[..., Upload], page: Client, name: str) -> None:
    """Pressed in a tab that still shows it; somebody else's and none that ever was are answered alike."""
    deleted = make_upload().pk
    Upload.objects.all().delete()
    others = make_upload(owner=User.objects.create_user("bob@example.org"))
    for pk in (deleted, others.pk, uuid.uuid4()):
        url = reverse(f"uploads:{name}", args=[pk])
        response = page.post(url)
        assert response.headers["Location"] == reverse("uploads:list")
        assert set(said(response)) == {"That file is no longer here."}
        response = page.post(url, headers=HTMX)
        assert response.status_code == 200
        assert response.text == '<p id="news" hx-swap-oob="innerHTML">That file is no longer here.</p>\n'
    assert Upload.objects.get() == others


@pytest.mark.parametrize("headers", [{}, HTMX])
def test_a_file_that_cannot_be_deleted_is_said(
    make_upload: Callable[..., Upload], page: Client, headers: dict[str, str], media: Path
) -> None:
    """The row stays, so that it can be tried again."""
    upload = make_upload(name="a.txt", file="folder")
    (media / "folder" / "child").mkdir(parents=True)
    response = page.post(reverse("uploads:delete", args=[upload.pk]), headers=headers)
    assert said(response) == ["“a.txt” could not be deleted. Try again later."]
    assert Upload.objects.get() == upload


@pytest.mark.parametrize("headers", [{}, HTMX])
def test_retry_queues_it_again(
    make_upload: Callable[..., Upload],
    page: Client,
    headers: dict[str, str],
    django_capture_on_commit_callbacks: Any,
) -> None:
    """The script gets the row as it is now."""
    upload = make_upload(state=State.FAILED, reason="The queue was away.")
    with django_capture_on_commit_callbacks(execute=True):
        response = page.post(reverse("uploads:retry", args=[upload.pk]), headers=headers)
    assert response.status_code == (200 if headers else 302)
    assert not headers or f'data-seen="{upload.pk}:waiting"' in response.text
    upload.refresh_from_db()
    assert upload.state == State.DONE


def test_two_uploads_at_once_are_two(page: Client) -> None:
    """The same file twice is no conflict."""
    files = [SimpleUploadedFile("same.txt", b"same") for _ in range(2)]
    send(page, *files)
    assert Upload.objects.count() == 2
