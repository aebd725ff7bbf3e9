"""A distance on one machine: a TCP proxy, in a process of its own, that delivers every byte DELAY seconds later.

It must not know what is sent. A connection to it is open at once, because the kernel accepts it; what the client then
sends is held back for the round trip that opening a distant connection takes.

>>> python -m tests.benchmarks.delay 8443      # prints the port that leads to 8443
"""

from __future__ import annotations

import asyncio
import sys

DELAY = 0.025  # seconds, each way
CHUNK = 65536  # bytes


async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, opened: float) -> None:
    """Deliver what comes, and its end, DELAY seconds later; what comes before `opened` counts as sent then."""
    loop = asyncio.get_running_loop()
    under_way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()

    async def deliver() -> None:
        while True:
            due, data = await under_way.get()
            await asyncio.sleep(due - loop.time())
            if not data:
                break
            writer.write(data)
        writer.close()

    delivering = asyncio.create_task(deliver())
    data = b" "
    while data:
        try:
            data = await reader.read(CHUNK)
        except OSError:  # reset: its end is delivered like any other
            data = b""
        under_way.put_nowait((max(loop.time(), opened) + DELAY, data))
    await delivering


async def serve(port: int) -> None:
    """Listen on a port that is free, say which on stdout, and stop when stdin ends."""

    async def accepted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        opened = asyncio.get_running_loop().time() + 2 * DELAY
        server_reader, server_writer = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.gather(
            relay(reader, server_writer, opened), relay(server_reader, writer, 0.0), return_exceptions=True
        )

    server = await asyncio.start_server(accepted, "127.0.0.1", 0, backlog=256)
    print(server.sockets[0].getsockname()[1], flush=True)
    ended = asyncio.Event()
    asyncio.get_running_loop().add_reader(sys.stdin, ended.set)
    await ended.wait()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1])))
