"""Requests and responses, as values.

>>> Request("GET", "/files/file-1", route="/files/{file_id}").target
'/files/file-1'
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .multipart import Upload

Object = dict[str, Any]
NO_HEADERS: Mapping[str, str] = {}
NO_KEYS: Mapping[str, str] = {}
NOT_SENT = 0  # in the place of a status: a dry run has sent nothing


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request below the base URL.

    `repeatable`: carrying it out twice is carrying it out once. `absent_is_none`: it reads one object, which may be
    absent. `route`: the template that the target was made from, such as "/files/{file_id}".
    `changes`: it changes something at the API.
    `verify_path`: the list that shows whether a create was carried out. `attached_files`: to which vector store ("" a new one), and
    how many files.
    """

    method: str
    target: str
    body: bytes | Upload | None = None
    headers: Mapping[str, str] = field(default_factory=lambda: NO_HEADERS)
    repeatable: bool = True
    absent_is_none: bool = False
    route: str = ""
    verify_path: str = ""
    attached_files: tuple[str, int] | None = None
    changes: bool = False

    @property
    def identity(self) -> str:
        """What tells two reads apart: the target, and the body of a search."""
        return f"{self.target} {self.body.decode()}" if isinstance(self.body, bytes) else self.target


@dataclass(frozen=True, slots=True)
class Response:
    """An answer: header names are in lower case; `base_url` is the address that the request's target was below.

    `uncertain`: it was sent before, and nobody knows whether it was carried out then. `note`: what else its error says.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    base_url: str
    uncertain: bool = False
    note: str = ""


@dataclass(frozen=True)
class Page:
    """Which part of a list is wanted: so many objects, "asc" or "desc", after this object's id."""

    limit: int
    order: str = "desc"
    after: str | None = None
