"""Our connection, as every benchmark opens it: with the opponents' 32 connections, and without limits on a minute.

>>> connected("/tmp/a.db", server)
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import openai_vtab

from .opponents import CONCURRENCY
from .server import KEY, Running


def connected(database: str, server: Running, *, bulk_reading: bool = True) -> Any:
    """Open a database whose folder is upload_root."""
    return openai_vtab.connect(
        database,
        base_url=server.base_url,
        ca_bundle=server.ca_bundle,
        api_key=KEY,
        max_concurrency=CONCURRENCY,
        upload_root=Path(database).parent,
        uploads_per_minute=0,
        attach_requests_per_minute=0,
        attach_files_per_minute=0,
        bulk_reading=bulk_reading,
    )
