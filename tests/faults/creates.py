"""COMMITs of many creates to a server that counts as far away.

>>> db = connect(server.url()); create(db, 20); assert recorded(db) == all_done(20)
"""

from __future__ import annotations

import json
import re
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import apsw
import trustme

from ..support.server import Server, request, serving

T = "vector_store_file_batches"
CREATES = (
    "INSERT INTO mine (vector_store_id, file_ids) SELECT 'vs_1', json_array('file-' || value) "
    "FROM json_each(?) ORDER BY value"
)
FILE = re.compile(rb"file-(\d+)")
AUTHORITY = trustme.CA()
TLS = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
AUTHORITY.issue_cert("127.0.0.1").configure_cert(TLS)
TLS_NAMED = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
AUTHORITY.issue_cert("api.test").configure_cert(TLS_NAMED)

Connect = Callable[..., apsw.Connection]


def create(db: apsw.Connection, count: int) -> None:
    """Create so many batches in one COMMIT."""
    db.execute(CREATES, (json.dumps(list(range(count))),))


@contextmanager
def tunnel_to(serve: Callable[[socket.socket], None]) -> Iterator[tuple[Server, list[bytes]]]:
    """A proxy that gives each tunnel to `serve`, as https://api.test; and the requests for tunnels that it has seen."""
    seen: list[bytes] = []

    def tunnel(connection: socket.socket) -> None:
        seen.append(request(connection))
        connection.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
        with TLS_NAMED.wrap_socket(connection, server_side=True) as secured:
            serve(secured)

    with serving(tunnel) as proxy:
        yield proxy, seen


def created(number: int) -> dict[str, str]:
    """The batch that was created for this file."""
    return {"id": f"vsfb_{number}", "vector_store_id": "vs_1", "status": "completed"}


def recorded(db: apsw.Connection) -> list[tuple[str | None, str]]:
    """The ledger's rows, without a request."""
    return db.execute("SELECT id, status FROM mine_ledger ORDER BY rowid").fetchall()


def all_done(count: int) -> list[tuple[str | None, str]]:
    """The ledger's rows when all is done."""
    return [(f"vsfb_{number}", "completed") for number in range(count)]
