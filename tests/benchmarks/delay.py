"""A distance on one machine: a TCP proxy, in a process of its own, that delivers every byte DELAY seconds later.

It must not know what is sent. A connection to it is open at once, because the kernel accepts it; what the client then
sends is held back for the round trip that opening a distant connection takes.

>>> python -m tests.benchmarks.delay 8443      # prints the port that leads to 8443
"""

from __future__ import annotations

import asyncio
import sys
from collections import deque

DELAY = 0.025  # seconds, each way


class Way(asyncio.Protocol):
    """What one end of a connection sends, and its end, is delivered to the other end DELAY seconds later.

    What comes before `opened` counts as sent then. Streams and tasks would take the proxy twice the processor time,
    which the contestants would miss: they run on the same cores.
    """

    transport: asyncio.Transport

    def __init__(self, opened: float) -> None:
        self._loop = asyncio.get_running_loop()
        self._opened = opened
        self._other: asyncio.Transport | None = None  # None: not connected yet
        self._under_way: deque[tuple[float, bytes]] = deque()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """This end is connected."""
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def lead_to(self, other: asyncio.Transport) -> None:
        """Deliver to this end, and what has come before as well."""
        self._other = other
        if self._under_way:
            self._deliver()

    def data_received(self, data: bytes) -> None:
        """Send it on its way."""
        self._under_way.append((max(self._loop.time(), self._opened) + DELAY, data))
        if self._other is not None and len(self._under_way) == 1:
            self._deliver()

    def connection_lost(self, exc: Exception | None) -> None:
        """The end is delivered like any other byte, also if the connection was reset."""
        self.data_received(b"")

    def _deliver(self) -> None:
        assert self._other is not None
        while self._under_way:
            due, data = self._under_way[0]
            if due > self._loop.time():
                self._loop.call_at(due, self._deliver)
                return
            self._under_way.popleft()
            if data:
                self._other.write(data)
            else:
                self._other.close()


class Accepted(Way):
    """The way from a client to the server."""

    def __init__(self, port: int) -> None:
        super().__init__(asyncio.get_running_loop().time() + 2 * DELAY)
        self._port = port

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client has connected: connect to the server, too."""
        super().connection_made(transport)
        self._connecting = self._loop.create_task(self._connect())

    async def _connect(self) -> None:
        _, back = await self._loop.create_connection(lambda: Way(0.0), "127.0.0.1", self._port)
        back.lead_to(self.transport)
        self.lead_to(back.transport)


async def serve(port: int) -> None:
    """Listen on a port that is free, say which on stdout, and stop when stdin ends."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Accepted(port), "127.0.0.1", 0, backlog=256)
    print(server.sockets[0].getsockname()[1], flush=True)
    ended = asyncio.Event()
    loop.add_reader(sys.stdin, ended.set)
    await ended.wait()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1])))
