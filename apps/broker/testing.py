"""For tests: what was sent, read through Django's connection and so within the transaction of a TestCase.

    class SignUp(AssertSentMixin, TestCase):
        def test_a_newcomer_is_welcomed(self):
            sign_up("ada@example.org")
            self.assertTaskSent(welcome, args=["ada@example.org"], queue="high")

and for pytest a fixture of three lines, which yields what `sending()` gives.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from celery import current_app
from django.core.exceptions import ImproperlyConfigured
from django.db import connections
from django.test import override_settings
from kombu.utils import json

from apps.broker import address, aliases, scheme
from apps.broker.call import Call
from apps.broker.models import Delayed, Message

if TYPE_CHECKING:
    from django.test import SimpleTestCase as Base
else:
    Base = object

ANY: Final[Any] = object()  # any arguments


@dataclass(frozen=True)
class SentTask:
    """A task that waits for a worker, or for its time."""

    name: str
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    queue: str
    priority: int
    eta: datetime | None
    expires: datetime | None
    id: str
    headers: dict[str, Any] = field(repr=False)

    def __str__(self) -> str:
        given = [*map(repr, self.args), *(f"{name}={value!r}" for name, value in self.kwargs.items())]
        rest = {"priority": self.priority, "eta": self.eta, "expires": self.expires}
        said = "".join(f", {name} {value}" for name, value in rest.items() if value)
        return f"{self.name}({', '.join(given)}) to {self.queue}{said}"


class SentTasks:
    """The tasks sent since this was made and not taken by a worker; call it to get them, in order."""

    def __init__(self, after: int | None = None) -> None:
        """`after` is a message's number.

        Raises ImproperlyConfigured where the broker is in none of Django's databases.
        """
        self._alias = _alias()
        self._after = _last_id(self._alias) if after is None else after

    def __call__(self, task: Any = None) -> list[SentTask]:
        """All of them, or those of one task, given by itself or by its name."""
        return [
            found for found in _read(self._alias, self._after) if task is None or found.name == _name(task)
        ]

    def assert_sent(
        self, task: Any, args: Any = ANY, kwargs: Any = ANY, *, times: int | None = None, **expected: Any
    ) -> SentTask:
        """The first that fits. `times` is how many have to, where one or more will not do.

        `expected` are fields of SentTask; of `headers`, those that matter. Raises AssertionError, which says
        what was sent instead.
        """
        if unknown := expected.keys() - SentTask.__dataclass_fields__.keys():
            raise TypeError(f"a sent task has no {', '.join(sorted(unknown))}")
        wanted = _as_sent({"args": args, "kwargs": kwargs, **expected})
        fitting = [found for found in self(task) if _fits(found, wanted)]
        if not fitting or times not in (None, len(fitting)):
            said = "".join(f", {name} {value!r}" for name, value in wanted.items())
            count = f"sent {len(fitting)} time(s) instead of {times}" if fitting else "not sent"
            raise AssertionError(f"{_name(task)}{said} was {count}. {self._listed()}")
        return fitting[0]

    def assert_none_sent(self, task: Any = None) -> None:
        """Raises AssertionError, which says what was."""
        if self(task):
            what = f"{_name(task)} was sent" if task else "Tasks were sent"
            raise AssertionError(f"{what}, unexpectedly. {self._listed()}")

    def _listed(self) -> str:
        lines = "".join(f"\n  {found}" for found in self())
        return f"Sent were:{lines}" if lines else f"Nothing was sent.{_why_nothing()}"


def sent(task: Any = None) -> list[SentTask]:
    """All tasks that wait, or those of one task: under TestCase those of the test."""
    return SentTasks(0)(task)


@contextmanager
def sending() -> Iterator[SentTasks]:
    """Inside, tasks are sent and not run at once, whatever CELERY_TASK_ALWAYS_EAGER says."""
    with override_settings(CELERY_TASK_ALWAYS_EAGER=False):
        yield SentTasks()


class AssertSentMixin(Base):
    """For TestCase and TransactionTestCase: tasks are sent in each test, and not run."""

    sent_tasks: SentTasks

    def setUp(self) -> None:
        super().setUp()
        self.sent_tasks = self.enterContext(sending())

    def assertTaskSent(self, task: Any, args: Any = ANY, kwargs: Any = ANY, **expected: Any) -> SentTask:  # noqa: N802
        """See `SentTasks.assert_sent`."""
        return self.sent_tasks.assert_sent(task, args, kwargs, **expected)

    def assertNoTaskSent(self, task: Any = None) -> None:  # noqa: N802
        """Nothing at all was, or not this task."""
        self.sent_tasks.assert_none_sent(task)


def _alias() -> str:
    broker = current_app.connection_for_write()
    url = broker.hostname or ""
    if scheme.is_ours(url) and (alias := aliases.alias_of(address.parse(url))):
        return alias
    raise ImproperlyConfigured(f"{broker.as_uri()} is in none of Django's databases, so none can be asked")


def _last_id(alias: str) -> int:
    with connections[alias].cursor() as cursor:
        cursor.execute("SELECT last_value - (NOT is_called)::int FROM broker_message_id")
        return int(cursor.fetchone()[0])


def _read(alias: str, after: int) -> Iterator[SentTask]:
    columns = ("id", "queue", "envelope", "body")
    waiting, later = (
        model.objects.using(alias).filter(id__gt=after).values_list(*columns) for model in (Message, Delayed)
    )
    for _, queue, envelope, body in waiting.union(later, all=True).order_by("id"):
        if call := Call.of(envelope, bytes(body)):
            yield _sent(call, queue)


def _sent(call: Call, queue: str) -> SentTask:
    return SentTask(
        name=call.headers["task"],
        args=tuple(call.args),
        kwargs=call.kwargs,
        queue=queue,
        priority=call.properties.get("priority") or 0,
        eta=_moment(call.headers["eta"]),
        expires=_moment(call.headers["expires"]),
        id=call.headers["id"],
        headers=call.headers,
    )


def _moment(text: str | None) -> datetime | None:
    if not text:
        return None
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _name(task: Any) -> str:
    return task if isinstance(task, str) else str(task.name)


def _as_sent(wanted: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments as a worker would get them: JSON has no tuples."""
    plain: dict[str, Callable[[Any], Any]] = {
        "args": lambda args: tuple(_through_json(args)),
        "kwargs": _through_json,
    }
    return {name: plain.get(name, _same)(value) for name, value in wanted.items() if value is not ANY}


def _through_json(value: Sequence[Any] | Mapping[str, Any]) -> Any:
    return json.loads(json.dumps(value))


def _same(value: Any) -> Any:
    return value


def _fits(found: SentTask, wanted: Mapping[str, Any]) -> bool:
    return all(
        value.items() <= found.headers.items() if name == "headers" else getattr(found, name) == value
        for name, value in wanted.items()
    )


def _why_nothing() -> str:
    is_eager = current_app.conf.task_always_eager
    return " CELERY_TASK_ALWAYS_EAGER is on: tasks run at once, and none is sent." if is_eager else ""
