"""A network between a client and a server, that fails when it is told to."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Coroutine, Iterator
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from tests.ports import ADDRESS


class Network:
    """Carries bytes between its own port and a server's; `url` is the server's, by way of that port."""

    def __init__(self, url: str) -> None:
        server = urlsplit(url)
        self._host, self._port = server.hostname, server.port
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        self._ways: list[_Way] = []
        self._server = self._run(asyncio.start_server(self._connected, ADDRESS))
        port = self._server.sockets[0].getsockname()[1]
        self.url = urlunsplit(server._replace(netloc=server.netloc.replace(f":{server.port}", f":{port}")))

    def cut_clients_off(self) -> None:
        """Each client's connection is reset; the server hears nothing of it. New connections work."""
        self._run(self._reset_clients())

    def fall_silent(self) -> None:
        """Nothing more is carried on the connections that there are, and nobody is told. New ones work."""
        self._run(self._silence())

    def close(self) -> None:
        self._run(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            far_reader, far_writer = await asyncio.open_connection(self._host, self._port)
        except OSError:
            writer.transport.abort()
            return
        self._ways.append(
            _Way(_carrier(reader, far_writer), _carrier(far_reader, writer), writer, far_writer)
        )

    async def _reset_clients(self) -> None:
        await self._silence()
        for way in self._ways:
            way.client.transport.abort()

    async def _silence(self) -> None:
        for way in self._ways:
            for carrier in (way.there, way.back):
                carrier.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await carrier

    async def _end(self) -> None:
        self._server.close()
        await self._silence()
        for way in self._ways:
            way.client.transport.abort()
            way.server.transport.abort()
        await self._server.wait_closed()


class _Way:
    """One connection: a carrier for each direction, and its two ends."""

    def __init__(
        self,
        there: asyncio.Task[None],
        back: asyncio.Task[None],
        client: asyncio.StreamWriter,
        server: asyncio.StreamWriter,
    ) -> None:
        self.there, self.back, self.client, self.server = there, back, client, server


def _carrier(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> asyncio.Task[None]:
    return asyncio.get_running_loop().create_task(_carry(reader, writer))


async def _carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Until one end closes; then the other is closed."""
    with contextlib.suppress(OSError):
        while data := await reader.read(1 << 16):
            writer.write(data)
            await writer.drain()
    writer.close()


@contextlib.contextmanager
def network(url: str) -> Iterator[Network]:
    """A network to the server of `url` works inside this block."""
    running = Network(url)
    try:
        yield running
    finally:
        running.close()
