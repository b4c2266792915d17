from __future__ import annotations

import functools
import logging
import uuid
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Concatenate

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.files.uploadhandler import MemoryFileUploadHandler, TemporaryFileUploadHandler
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.db.models.fields.files import FieldFile
from django.http import FileResponse, Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.timesince import timesince
from django.views.decorators.csrf import csrf_exempt, csrf_protect
from django.views.decorators.http import require_POST, require_safe
from django_htmx.http import HttpResponseClientRefresh

from apps.uploads import pictures, services
from apps.uploads.models import Upload
from apps.uploads.reception import SizeLimit

if TYPE_CHECKING:
    from django.contrib.auth.base_user import AbstractBaseUser
    from django_htmx.middleware import HtmxDetails

    class Request(HttpRequest):
        user: AbstractBaseUser  # type: ignore[assignment]  # `_signed_in` sees to that
        htmx: HtmxDetails


logger = logging.getLogger(__name__)

PER_PAGE = 50
MOST_SEEN = 100  # uploads that a page may ask about at once

# The same of what was deleted, is somebody else's or never was.
_GONE = "That file is no longer here."

# Of what comes from a stranger's file nothing may run, even opened straight from its address.
_HARMLESS = {
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "private",
    "Cross-Origin-Resource-Policy": "same-origin",
}


def _signed_in[**P](
    view: Callable[Concatenate[Request, P], HttpResponseBase],
) -> Callable[Concatenate[Request, P], HttpResponseBase]:
    """`login_required`, but a script's request reloads the page: it would swap the log-in form in."""

    @functools.wraps(view)
    def guarded(request: Request, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
        if request.htmx and not request.user.is_authenticated:
            return HttpResponseClientRefresh()
        return login_required(view)(request, *args, **kwargs)

    return guarded


def _own(request: Request, upload_id: uuid.UUID) -> QuerySet[Upload]:
    """That upload or nothing: somebody else's is not there, not even for staff."""
    return Upload.objects.filter(pk=upload_id, owner_id=request.user.pk)


@require_safe
@_signed_in
def show(request: Request) -> HttpResponse:
    pages = Paginator(Upload.objects.filter(owner_id=request.user.pk), PER_PAGE)
    now = timezone.now()
    context = {
        "page": pages.get_page(request.GET.get("page")),
        "most_bytes": settings.UPLOAD_MAX_BYTES,
        "lifetime": timesince(now - settings.UPLOAD_LIFETIME, now),  # in words
    }
    return render(request, "uploads/list.html", context)


# The check for CSRF reads the body, so the handler that limits it has to be in place before.
@csrf_exempt
@require_POST
@_signed_in
def create(request: Request) -> HttpResponseBase:
    limit = SizeLimit(request)
    # Instead of FILE_UPLOAD_HANDLERS, which let no large file in.
    request.upload_handlers = [limit, MemoryFileUploadHandler(request), TemporaryFileUploadHandler(request)]
    return _create(request, limit)


@csrf_protect
def _create(request: Request, limit: SizeLimit) -> HttpResponse:
    uploads, refusals = _receive_all(request)
    refusals += [str(services.too_large(name)) for name in limit.too_large]
    if not uploads and not refusals:
        refusals = ["No file arrived. Choose one or more files first."]
    if request.htmx:
        return _created(request, uploads, refusals)
    for refusal in refusals:
        messages.error(request, refusal)
    return redirect("uploads:list")


def _receive_all(request: Request) -> tuple[list[Upload], list[str]]:
    uploads, refusals = [], []
    for sent in request.FILES.getlist("files"):
        try:
            uploads.append(services.receive(request.user.pk, sent))
        except services.Refused as refused:
            refusals.append(str(refused))
    return uploads, refusals


def _created(request: HttpRequest, uploads: list[Upload], refusals: list[str]) -> HttpResponse:
    """Rows to show, or else the reasons as plain text; the page's script sends one file at a time."""
    if refusals:
        return HttpResponse("\n".join(refusals), status=400, content_type="text/plain; charset=utf-8")
    return HttpResponse(_rows(request, uploads), status=201)


def _rows(request: HttpRequest, uploads: Iterable[Upload], **context: object) -> str:
    return "".join(
        render_to_string("uploads/_row.html", {"upload": upload, **context}, request) for upload in uploads
    )


@require_safe
@_signed_in
def changes(request: Request) -> HttpResponse:
    """Rows to exchange, out of band: only what changed, so that focus stays where it is."""
    changed, gone = services.changes(request.user.pk, _seen(request))
    context = {"changed": changed, "gone": gone}
    return render(request, "uploads/_changes.html", context)


def _seen(request: HttpRequest) -> dict[uuid.UUID, str]:
    """The `seen=ID:STATE` parameters; what is not of that form was not sent by our page."""
    seen = {}
    for pair in request.GET.getlist("seen")[:MOST_SEEN]:
        upload_id, _, state = pair.partition(":")
        try:
            seen[uuid.UUID(upload_id)] = state
        except ValueError:
            continue
    return seen


@require_safe
@_signed_in
def download(request: Request, upload_id: uuid.UUID) -> FileResponse:
    upload = get_object_or_404(_own(request, upload_id))
    return _file(upload.file, "application/octet-stream", upload.name, as_attachment=True)


@require_safe
@_signed_in
def thumbnail(request: Request, upload_id: uuid.UUID) -> FileResponse:
    upload = get_object_or_404(_own(request, upload_id))
    if not upload.thumbnail:
        raise Http404
    response = _file(upload.thumbnail, pictures.THUMBNAIL_TYPE, "thumbnail.webp")
    response["Cache-Control"] = "private, max-age=3600"
    return response


def _file(stored: FieldFile, content_type: str, filename: str, as_attachment: bool = False) -> FileResponse:
    try:
        file = stored.open("rb")
    except FileNotFoundError:
        raise Http404 from None
    return FileResponse(
        file,
        as_attachment=as_attachment,
        filename=filename,
        content_type=content_type,
        headers=_HARMLESS,
    )


# The buttons of a row may be pressed in a tab that still shows it after another has deleted it.


@require_POST
@_signed_in
def retry(request: Request, upload_id: uuid.UUID) -> HttpResponse:
    own = _own(request, upload_id)
    upload = own.first()
    if upload is None:
        return _removed(request, _GONE)
    services.retry(upload)
    return HttpResponse(_rows(request, own.all())) if request.htmx else redirect("uploads:list")


@require_POST
@_signed_in
def delete(request: Request, upload_id: uuid.UUID) -> HttpResponse:
    upload = _own(request, upload_id).first()
    if upload is None:
        return _removed(request, _GONE)
    try:
        services.remove(upload)
    except OSError:
        logger.exception("Upload %s could not be deleted", upload_id)
        messages.error(request, f"“{upload.name}” could not be deleted. Try again later.")
        return HttpResponseClientRefresh() if request.htmx else redirect("uploads:list")
    return _removed(request, f"“{upload.name}” was deleted.")


def _removed(request: Request, news: str) -> HttpResponse:
    """No row any more: to the script as an answer without one, else as the list."""
    if request.htmx:
        return render(request, "uploads/_news.html", {"news": news})
    messages.success(request, news)
    return redirect("uploads:list")
