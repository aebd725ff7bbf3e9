"""The settings as typed keywords, for signatures: a type checker reads no runtime descriptions.

>>> def open_database(**settings: Unpack[Keywords]) -> None: ...
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Literal, TypedDict

from ..progress import Progress

Key = str | Callable[[], str] | None
StrPath = str | os.PathLike[str]


class SharedKeywords(TypedDict, total=False):
    """The keywords of every way to connect. The DB-API calls `timeout` request_timeout: sqlite3 has another timeout."""

    api_key: Key
    base_url: str | None
    auth: Literal["auto", "bearer", "api-key"]
    organization: str | None
    project: str | None
    default_headers: Mapping[str, str] | None
    default_query: Mapping[str, str] | None
    max_concurrency: int
    max_retries: int
    rate_limit_wait: float
    uploads_per_minute: int
    attach_requests_per_minute: int
    attach_files_per_minute: int
    max_files_per_batch: int
    page_size: int | None
    strict: bool
    max_answer_bytes: int
    max_rows: int
    openai_beta: str | None
    ca_bundle: StrPath | None
    allow_http: bool
    read_ahead: bool
    bulk_reading: bool
    upload_root: StrPath | None
    dry_run: bool
    read_only: bool
    allow_unbounded_writes: bool
    errors: Literal["raise", "row"]
    progress: Callable[[Progress], None] | None


class Keywords(SharedKeywords, total=False):
    """The keywords of `connect` and `register`."""

    timeout: float
