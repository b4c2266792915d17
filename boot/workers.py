"""Which worker programs run: one that takes all queues, several such, or one a queue. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

NAME: Final = "celery-worker"


class Wanted(NamedTuple):
    """One item of CELERY_WORKERS."""

    queues: tuple[str, ...]  # none: those of CELERY_QUEUES
    concurrency: int | None  # none: CELERY_CONCURRENCY


class Worker(NamedTuple):
    """One worker program."""

    name: str
    queues: tuple[str, ...]
    concurrency: int

    def options(self) -> str:
        """What it gets on its command line, beside what all workers get; for a supervisord file."""
        node = "" if self.name == NAME else f" -n {self.name}@%%h"
        return f"-Q {','.join(self.queues)} -c {self.concurrency}{node}"


def of(typed: Mapping[str, Any]) -> tuple[Worker, ...]:
    """The worker programs of an environment, each with a name of its own."""
    wanted: Sequence[Wanted] = typed["CELERY_WORKERS"]
    names = _names(wanted)
    return tuple(
        Worker(
            name,
            one.queues or tuple(typed["CELERY_QUEUES"]),
            one.concurrency or typed["CELERY_CONCURRENCY"],
        )
        for name, one in zip(names, wanted, strict=True)
    )


def _names(wanted: Sequence[Wanted]) -> list[str]:
    """celery-worker for a single one without queues of its own; else by the queues, numbered if need be."""
    if len(wanted) == 1 and not wanted[0].queues:
        return [NAME]
    plain = ["-".join((NAME, *one.queues)) for one in wanted]
    totals, seen, names = Counter(plain), Counter[str](), []
    for name in plain:
        seen[name] += 1
        names.append(f"{name}-{seen[name]}" if totals[name] > 1 or name == NAME else name)
    return names


def program_file(template: str, worker: Worker) -> str:
    """The supervisord file of one of several workers, made of the one for a single worker."""
    return template.replace(f"[program:{NAME}]", f"[program:{worker.name}]").replace(
        "%(ENV_DOORITO_WORKER_OPTIONS)s", worker.options()
    )
