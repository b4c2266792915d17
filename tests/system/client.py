"""A person at the page, without a browser: cookies, forms with their CSRF tokens, redirects."""

from __future__ import annotations

import html
import re
import urllib.parse
import urllib.request
import uuid
from email.message import Message
from http.client import HTTPResponse
from http.cookiejar import CookieJar
from typing import Final, NamedTuple, cast

from tests.system.stack import PATIENCE_S

TOKEN: Final = re.compile(r'name="csrfmiddlewaretoken" value="([^"]+)"')
ROW: Final = re.compile(r'<li id="upload-([0-9a-f-]{36})".*?</li>', re.DOTALL)


class Page(NamedTuple):
    status: int
    url: str  # after redirects
    headers: Message
    text: str


class Row(NamedTuple):
    """An upload as the page shows it."""

    name: str
    state: str
    sha256: str


class _ErrorPagesAreAnswers(urllib.request.HTTPErrorProcessor):
    def http_response(self, request: urllib.request.Request, response: HTTPResponse) -> HTTPResponse:
        if 300 <= response.status < 400:
            return cast("HTTPResponse", super().http_response(request, response))
        return response


class Client:
    """One visitor of the site at `url`, such as http://127.0.0.1:8000."""

    def __init__(self, url: str) -> None:
        self._url = url
        cookies = urllib.request.HTTPCookieProcessor(CookieJar())
        proxies = urllib.request.ProxyHandler({})  # none: the site is on this machine
        self._opener = urllib.request.build_opener(_ErrorPagesAreAnswers(), cookies, proxies)

    def get(self, path: str) -> Page:
        return self._ask(urllib.request.Request(self._url + path))

    def log_in(self, email: str, password: str) -> Page:
        """Fill in the log-in form; the page one then sees."""
        fields = {
            "username": email,
            "password": password,
            "csrfmiddlewaretoken": self._token("/accounts/log-in/"),
        }
        body = urllib.parse.urlencode(fields).encode()
        return self._ask(urllib.request.Request(f"{self._url}/accounts/log-in/", body))

    def upload(self, name: str, content: bytes, content_type: str = "application/octet-stream") -> Page:
        """Choose a file in the page's form and send it; the page one then sees."""
        boundary = uuid.uuid4().hex
        fields = {"csrfmiddlewaretoken": self._token("/")}
        head = "".join(
            f'--{boundary}\r\nContent-Disposition: form-data; name="{key}"\r\n\r\n{value}\r\n'
            for key, value in fields.items()
        )
        quoted = name.replace("\\", "\\\\").replace('"', "%22")
        head += f'--{boundary}\r\nContent-Disposition: form-data; name="files"; filename="{quoted}"\r\n'
        head += f"Content-Type: {content_type}\r\n\r\n"
        body = head.encode() + content + f"\r\n--{boundary}--\r\n".encode()
        headers = {"Content-Type": f"multipart/form-data; boundary={boundary}"}
        return self._ask(urllib.request.Request(f"{self._url}/uploads/", body, headers))

    def uploads(self) -> list[Row]:
        """The uploads that the page lists, newest first."""
        return [_row(match[0]) for match in ROW.finditer(self.get("/").text)]

    def row(self, name: str) -> Row | None:
        """The newest upload of this name."""
        return next((row for row in self.uploads() if row.name == name), None)

    def _token(self, path: str) -> str:
        page = self.get(path)
        match = TOKEN.search(page.text)
        assert match, f"{page.status} {page.url} has no form"
        return match[1]

    def _ask(self, request: urllib.request.Request) -> Page:
        with self._opener.open(request, timeout=PATIENCE_S) as response:
            return Page(response.status, response.url, response.headers, response.read().decode())


def _row(item: str) -> Row:
    return Row(
        name=_found(r'<h3 [^>]*title="([^"]*)"', item),
        state=_found(r'data-state="(\w+)"', item),
        sha256=_found(r'<code [^>]*title="([0-9a-f]{64})"', item),
    )


def _found(pattern: str, text: str) -> str:
    match = re.search(pattern, text)
    return html.unescape(match[1]) if match else ""
