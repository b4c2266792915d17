"""Which worker programs an environment asks for."""

from __future__ import annotations

from typing import Any

import pytest

from boot import workers
from boot.env import load
from boot.workers import Worker


def of(**environ: str) -> tuple[Worker, ...]:
    typed: Any = load(environ).typed
    return workers.of(typed)


def test_one_worker_takes_all_queues() -> None:
    """The default, by its plain name."""
    assert of() == (Worker("celery-worker", ("high", "default"), 4),)
    assert of()[0].options() == "-Q high,default -c 4"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "2",
            [
                Worker("celery-worker-1", ("high", "default"), 3),
                Worker("celery-worker-2", ("high", "default"), 3),
            ],
        ),
        (
            "high:2, default",
            [Worker("celery-worker-high", ("high",), 2), Worker("celery-worker-default", ("default",), 3)],
        ),
        ("high+default:1", [Worker("celery-worker-high-default", ("high", "default"), 1)]),
        (
            "high,high",
            [Worker("celery-worker-high-1", ("high",), 3), Worker("celery-worker-high-2", ("high",), 3)],
        ),
    ],
)
def test_several_workers_have_names_of_their_own(text: str, expected: list[Worker]) -> None:
    """Numbered, or after their queues; each is a node of its own."""
    found = of(CELERY_WORKERS=text, CELERY_CONCURRENCY="3")
    assert list(found) == expected
    assert all(worker.options().endswith(f"-n {worker.name}@%%h") for worker in found)


def test_a_program_file_is_made_of_the_one_for_a_single_worker() -> None:
    """Another name, other options; the rest as it is."""
    template = "[program:celery-worker]\ncommand=celery %(ENV_DOORITO_WORKER_OPTIONS)s\nautostart=true\n"
    assert workers.program_file(template, Worker("celery-worker-high", ("high",), 2)) == (
        "[program:celery-worker-high]\n"
        "command=celery -Q high -c 2 -n celery-worker-high@%%h\nautostart=true\n"
    )
