"""What staff sees of the broker on PostgreSQL: nothing to edit, dead letters to put back or to discard."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.actions import delete_selected as delete_confirmed
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.admin.utils import flatten_fieldsets
from django.core.exceptions import PermissionDenied
from django.db import models
from django.db.models import Count, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.views.decorators.http import require_POST

from apps.broker import deadletters, letter, overview
from apps.broker.listing import duration
from apps.broker.models import Consumer, DeadLetter, Delivery, Queue, Session
from apps.broker.overview import QueueState
from apps.broker.readonly import ReadOnlyAdmin


def _state(queue: Queue) -> QueueState:
    return getattr(queue, "state", None) or QueueState(queue.name)


@admin.register(Queue)
class QueueAdmin(ReadOnlyAdmin):
    """The figures of `doorito queues`, counted when the page is opened."""

    list_display = (
        "name", "ready", "delayed", "unacknowledged", "oldest", "consumers", "dead_letters",
    )  # fmt: skip
    ordering = ("name",)
    search_fields = ("name",)
    fieldsets = (
        (None, {"fields": list_display}),
        (
            "Declared with",
            {
                "fields": (
                    "durable", "exclusive", "session_id", "auto_delete", "max_priority", "max_length",
                    "max_bytes", "message_ttl_ms", "expires_ms",
                )
            },
        ),
    )  # fmt: skip
    readonly_fields = ("ready", "delayed", "unacknowledged", "oldest", "consumers", "dead_letters")

    def figure(self, rows: Sequence[Queue]) -> list[SafeString]:
        states = {state.name: state for state in overview.queues()}
        for row in rows:
            row.state = states.get(row.name)  # type: ignore[attr-defined]
        gone = [
            (_link("admin:broker_deadletter_changelist", state.name, state.dead), state.name)
            for state in states.values()
            if not state.declared
        ]
        said = "Deleted queues that have left dead letters: {}."
        return [format_html(said, format_html_join(", ", "{1} ({0})", gone))] if gone else []

    @admin.display(description="ready")
    def ready(self, queue: Queue) -> str:
        return f"{_state(queue).ready:,}"

    @admin.display(description="delayed")
    def delayed(self, queue: Queue) -> str:
        return f"{_state(queue).delayed:,}"

    @admin.display(description="unacknowledged")
    def unacknowledged(self, queue: Queue) -> str:
        return f"{_state(queue).unacknowledged:,}"

    @admin.display(description="oldest waits for")
    def oldest(self, queue: Queue) -> str:
        return duration(_state(queue).oldest_s)

    @admin.display(description="consumers")
    def consumers(self, queue: Queue) -> SafeString:
        return _link("admin:broker_consumer_changelist", queue.name, _state(queue).consumers)

    @admin.display(description="dead letters")
    def dead_letters(self, queue: Queue) -> SafeString:
        return _link("admin:broker_deadletter_changelist", queue.name, _state(queue).dead)


def _link(page: str, queue: str, number: int) -> SafeString:
    return format_html('<a href="{}">{}</a>', reverse(page, query={"queue": queue}), f"{number:,}")


class LiveAdmin(ReadOnlyAdmin):
    """Of rows that end with a connection; one that is over stays until some session looks."""

    @admin.display(description="lives", boolean=True)
    def lives(self, row: models.Model) -> bool:
        return bool(getattr(row, "is_live", False))


@admin.register(Session)
class SessionAdmin(LiveAdmin):
    """Connections that consume."""

    list_display = ("client", "id", "lives", "consumes", "unacknowledged", "backend_pid", "started_at")
    fields = readonly_fields = list_display
    ordering = ("client", "id")
    search_fields = ("client",)

    def figure(self, rows: Sequence[Session]) -> list[SafeString]:
        ids = [row.pk for row in rows]
        live = overview.live_sessions()
        deliveries = Delivery.objects.filter(session_id__in=ids).values_list("session_id")
        held = dict(deliveries.annotate(Count("id")).order_by())
        queues: dict[int, list[str]] = {id_: [] for id_ in ids}
        for id_, queue in Consumer.objects.filter(session_id__in=ids).values_list("session_id", "queue"):
            queues[id_].append(queue)
        for row in rows:
            row.is_live, row.held, row.queues = row.pk in live, held.get(row.pk, 0), queues[row.pk]  # type: ignore[attr-defined]
        return []

    @admin.display(description="consumes")
    def consumes(self, session: Session) -> str:
        return ", ".join(sorted(set(getattr(session, "queues", [])))) or "-"

    @admin.display(description="unacknowledged")
    def unacknowledged(self, session: Session) -> str:
        return f"{getattr(session, 'held', 0):,}"


@admin.register(Consumer)
class ConsumerAdmin(LiveAdmin):
    """Who takes messages from which queue."""

    list_display = ("queue", "client", "lives", "tag", "exclusive")
    fields = readonly_fields = list_display
    list_filter = ("queue",)
    ordering = ("queue", "session_id", "tag")

    def figure(self, rows: Sequence[Consumer]) -> list[SafeString]:
        live = overview.live_sessions()
        ids = {row.session_id for row in rows}
        clients = dict(Session.objects.filter(pk__in=ids).values_list("id", "client"))
        for row in rows:
            row.is_live = row.session_id in live  # type: ignore[attr-defined]
            row.client = clients.get(row.session_id, f"session {row.session_id}")  # type: ignore[attr-defined]
        return []

    @admin.display(description="client")
    def client(self, consumer: Consumer) -> str:
        return str(getattr(consumer, "client", "-"))


@admin.action(permissions=["requeue"], description="Put back into the queue")
def put_back(page: DeadLetterAdmin, request: HttpRequest, letters: QuerySet[DeadLetter]) -> None:
    page.requeue(request, letters)


# By the name of Django's own action, which its page of confirmation asks for.
@admin.action(permissions=["delete"], description="Discard")
def delete_selected(
    page: DeadLetterAdmin, request: HttpRequest, letters: QuerySet[DeadLetter]
) -> HttpResponse | None:
    return delete_confirmed(page, request, letters)


@admin.register(DeadLetter)
class DeadLetterAdmin(ReadOnlyAdmin):
    """Whoever may change dead letters may put them back, whoever may delete them may discard them."""

    list_display = ("task", "queue", "deaths", "died_at", "last_reason")
    list_filter = ("queue",)
    ordering = ("-died_at",)
    search_fields = ("envelope",)
    search_help_text = "A task, its id, or what it was given"
    actions = (put_back, delete_selected)
    fieldsets = (
        (None, {"fields": ("task", "task_id", "queue", "died_at", "deaths", "history_table")}),
        ("Content", {"fields": ("arguments", "keyword_arguments", "body_text")}),
        (
            "Message",
            {"fields": ("id", "priority", "exchange", "routing_key", "content_type", "ttl_ms", "headers")},
        ),
    )

    class Media:
        css = {"all": ["broker/admin.css"]}  # noqa: RUF012 - as Django reads it

    def get_queryset(self, request: HttpRequest) -> QuerySet[DeadLetter]:
        return super().get_queryset(request).defer("body")

    def get_readonly_fields(self, request: HttpRequest, obj: DeadLetter | None = None) -> list[str]:
        return flatten_fieldsets(self.fieldsets)

    # What may be done

    def has_requeue_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("broker.change_deadletter")

    def has_delete_permission(self, request: HttpRequest, obj: DeadLetter | None = None) -> bool:
        return request.user.has_perm("broker.delete_deadletter")

    def delete_model(self, request: HttpRequest, obj: DeadLetter) -> None:
        deadletters.discard([obj.pk])

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[DeadLetter]) -> None:
        deadletters.discard(queryset.values_list("pk", flat=True))

    def requeue(self, request: HttpRequest, letters: Iterable[DeadLetter]) -> None:
        """Put them back, write down who did it, and say what became of each."""
        known = {one.pk: one for one in letters}
        done = deadletters.requeue(known)
        moved = [known[id_] for id_ in done.moved]
        LogEntry.objects.log_actions(request.user.pk or 0, moved, CHANGE, "Put back into its queue.")
        if moved:
            self.message_user(request, f"Put back: {_counted(len(moved))}.", messages.SUCCESS)
        for queue in sorted(set(done.homeless.values())):
            self.message_user(request, _homeless(queue), messages.WARNING)
        if done.unknown or not known:
            said = "What is no dead letter any more was left as it is."
            self.message_user(request, said, messages.WARNING)

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(require_POST(self.requeue_view))
        own = path("<int:id_>/requeue/", view, name="broker_deadletter_requeue")
        return [own, *super().get_urls()]

    def requeue_view(self, request: HttpRequest, id_: int) -> HttpResponse:
        """The button of a letter's own page."""
        if not self.has_requeue_permission(request):
            raise PermissionDenied
        self.requeue(request, self.get_queryset(request).filter(pk=id_))
        return HttpResponseRedirect(reverse("admin:broker_deadletter_changelist"))

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **options: Any
    ) -> HttpResponse:
        return super().render_change_form(
            request, context | {"can_requeue": self.has_requeue_permission(request)}, *args, **options
        )

    # What is shown

    @admin.display(description="task")
    def task(self, dead: DeadLetter) -> str:
        return letter.opened(dead.envelope).task or "(no task)"

    @admin.display(description="task's id")
    def task_id(self, dead: DeadLetter) -> str:
        return letter.opened(dead.envelope).task_id or "-"

    @admin.display(description="why it was given up")
    def last_reason(self, dead: DeadLetter) -> str:
        return letter.last_reason(dead.history) or "-"

    @admin.display(description="history")
    def history_table(self, dead: DeadLetter) -> SafeString | str:
        if not (known := letter.deaths(dead.history)):
            return "-"
        rows = format_html_join("", "<tr><td>{}</td><td>{}</td><td>{}</td></tr>", known)
        return format_html(
            '<table class="broker-history"><thead><tr><th scope="col">When</th><th scope="col">Consumer</th>'
            '<th scope="col">What happened</th></tr></thead><tbody>{}</tbody></table>',
            rows,
        )

    @admin.display(description="arguments")
    def arguments(self, dead: DeadLetter) -> SafeString:
        return _text(letter.opened(dead.envelope).arguments)

    @admin.display(description="keyword arguments")
    def keyword_arguments(self, dead: DeadLetter) -> SafeString:
        return _text(letter.opened(dead.envelope).keyword_arguments)

    @admin.display(description="body")
    def body_text(self, dead: DeadLetter) -> SafeString:
        return _text(letter.body_text(dead.body, letter.opened(dead.envelope)))

    @admin.display(description="priority")
    def priority(self, dead: DeadLetter) -> int:
        return -dead.rank

    @admin.display(description="exchange")
    def exchange(self, dead: DeadLetter) -> str:
        return letter.opened(dead.envelope).exchange or "(default)"

    @admin.display(description="routing key")
    def routing_key(self, dead: DeadLetter) -> str:
        return letter.opened(dead.envelope).routing_key or "-"

    @admin.display(description="content type")
    def content_type(self, dead: DeadLetter) -> str:
        return letter.opened(dead.envelope).content_type or "-"

    @admin.display(description="headers and properties")
    def headers(self, dead: DeadLetter) -> SafeString:
        return _text(letter.opened(dead.envelope).headers)


def _text(value: str) -> SafeString:
    return format_html('<pre class="broker-text">{}</pre>', value or "-")


def _counted(number: int) -> str:
    return "1 dead letter" if number == 1 else f"{number:,} dead letters"


def _homeless(queue: str) -> str:
    mend = "a worker that consumes it makes it again"
    return f"Left as they are: dead letters of queue “{queue}”, which no longer exists; {mend}."
