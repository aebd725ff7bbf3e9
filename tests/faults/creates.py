"""COMMITs of many creates to a server that counts as far away.

>>> db = connect(server.url()); create(db, 20); assert recorded(db) == all_done(20)
"""

from __future__ import annotations

import json
import re
import ssl
from collections.abc import Callable

import apsw
import trustme

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


def created(number: int) -> dict[str, str]:
    """The batch that was created for this file."""
    return {"id": f"vsfb_{number}", "vector_store_id": "vs_1", "status": "completed"}


def recorded(db: apsw.Connection) -> list[tuple[str | None, str]]:
    """The ledger's rows, without a request."""
    return db.execute("SELECT id, status FROM mine_ledger ORDER BY rowid").fetchall()


def all_done(count: int) -> list[tuple[str | None, str]]:
    """The ledger's rows when all is done."""
    return [(f"vsfb_{number}", "completed") for number in range(count)]
