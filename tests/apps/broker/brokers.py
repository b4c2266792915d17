"""The brokers that one test runs against, and a wire to them that can be cut."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Coroutine, Iterator
from dataclasses import dataclass
from typing import Any, Literal

Name = Literal["postgres", "rabbitmq"]


@dataclass(frozen=True)
class Broker:
    """A server that runs, and how clients reach it."""

    name: Name
    url: str
    elsewhere: str  # the same URL with {port} of this machine in place of the server's address
    address: str | tuple[str, int]  # the server's: the path of a socket, or host and port

    def at(self, port: int) -> str:
        """The URL for a client that is to connect to this port."""
        return self.elsewhere.format(port=port)


class Wire:
    """A port of this machine that leads to a broker, until it is cut."""

    def __init__(self, broker: Broker) -> None:
        self._address = broker.address
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._ends: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None
        self.port = 0

    def mend(self) -> None:
        """Take connections, at the same port as before."""
        self._server = self._run(asyncio.start_server(self._carry, "127.0.0.1", self.port))
        assert self._server
        self.port = self._server.sockets[0].getsockname()[1]

    def cut(self) -> None:
        """Every connection breaks at once; new ones are taken."""
        self._run(self._abort())

    def unplug(self) -> None:
        """Every connection breaks at once; new ones are refused until it is mended."""
        self._run(self._close())

    async def _abort(self) -> None:
        for end in self._ends:
            end.transport.abort()

    async def _close(self) -> None:
        if self._server:
            self._server.close()
        await self._abort()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if isinstance(self._address, str):
            far_reader, far_writer = await asyncio.open_unix_connection(self._address)
        else:
            far_reader, far_writer = await asyncio.open_connection(*self._address)
        ends = {writer, far_writer}
        self._ends |= ends
        await asyncio.gather(_pump(reader, far_writer), _pump(far_reader, writer))
        self._ends -= ends

    def _run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def __enter__(self) -> Wire:
        self._thread.start()
        self.mend()
        return self

    def __exit__(self, *_: object) -> None:
        self.unplug()
        self._run(_finish())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Carry bytes one way until either end is closed, and close the other."""
    with contextlib.suppress(OSError):
        while data := await reader.read(1 << 16):
            writer.write(data)
            await writer.drain()
    writer.close()


async def _finish() -> None:
    others = asyncio.all_tasks() - {asyncio.current_task()}
    await asyncio.gather(*others, return_exceptions=True)


@contextlib.contextmanager
def wire(broker: Broker) -> Iterator[Wire]:
    """A wire that ends with the block."""
    with Wire(broker) as it:
        yield it
