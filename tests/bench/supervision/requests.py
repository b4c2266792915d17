"""Many requests at once from other processes, so that the client is not what is measured."""

from __future__ import annotations

import multiprocessing
import time
from collections import Counter
from multiprocessing.synchronize import Event
from typing import Any, Final, Self

from tests.system.load import Load

CLIENTS: Final = 2  # processes
COUNT_S: Final = 0.2  # seconds between two counts
SPAWNED: Final = multiprocessing.get_context("spawn")


class Clients:
    """A context manager: so many connections ask again and again, each request over a new one."""

    def __init__(self, port: int, connections: int) -> None:
        self.fates: Counter[str] = Counter()
        self._is_over = SPAWNED.Event()
        self._results: Any = SPAWNED.Queue()
        self._counts: list[Any] = [SPAWNED.Value("q", 0) for _ in range(CLIENTS)]
        share = max(1, connections // CLIENTS)
        self._processes = [
            SPAWNED.Process(target=_ask_on, args=(port, share, self._is_over, count, self._results))
            for count in self._counts
        ]

    def __enter__(self) -> Self:
        for process in self._processes:
            process.start()
        while not all(count.value for count in self._counts):
            time.sleep(COUNT_S)
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        for _process in self._processes:
            self.fates.update(self._results.get())
        for process in self._processes:
            process.join()

    @property
    def so_far(self) -> int:
        """Requests that have met their fate, as of a moment ago."""
        return sum(count.value for count in self._counts)

    @property
    def total(self) -> int:
        return sum(self.fates.values())

    @property
    def failed(self) -> int:
        return self.total - self.fates["200"]


def _ask_on(port: int, connections: int, is_over: Event, count: Any, results: Any) -> None:
    with Load(("127.0.0.1", port), "/healthz", connections) as load:
        while not is_over.wait(COUNT_S):
            count.value = sum(load.fates.values())
    results.put(load.fates)
