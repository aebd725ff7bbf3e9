"""Values drawn from bytes, so that whoever changes the bytes, a fuzzer or Hypothesis, changes the value.

It must not know what the values are for.

>>> Source(b"...").json()
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Sequence
from typing import Any, TypeVar

T = TypeVar("T")

NUMBERS = (0, 1, -1, 2**31, 2**63 - 1, 2**63, -(2**63) - 1, 10**400, 0.0, -0.5, 1e308, math.inf, -math.inf, math.nan)
TEXTS = ("", "completed", "in_progress", "vsfb_1", "vs_1", "not found", "1e999", "\ud800", "\0", "é", "x" * 3000)
DEEPEST = 6


class SpecialSource:
    """Draws from the front; when the bytes are used up, everything is the first choice."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def byte(self) -> int:
        """0 to 255."""
        self._at += 1
        return self._data[self._at - 1] if self._at <= len(self._data) else 0

    def choice(self, choices: Sequence[T]) -> T:
        """One of them."""
        return choices[self.byte() % len(choices)]

    def bytes(self, most: int = 24) -> bytes:
        """Some bytes as they are."""
        size = self.byte() % (most + 1)
        self._at += size
        return self._data[self._at - size : self._at]

    def rest(self) -> bytes:
        """All that is left."""
        return self._data[self._at :]

    def text(self, known: Sequence[str] = ()) -> str:
        """A known text, a difficult one, or any."""
        kind = self.byte() % 4
        if kind == 0 and known:
            return self.choice(known)
        if kind == 1:
            return self.choice(TEXTS)
        return self.bytes().decode("utf-8", "surrogateescape" if kind == 2 else "replace")

    def number(self) -> int | float:
        """A difficult number, or any."""
        kind = self.byte() % 4
        if kind == 0:
            return self.byte()
        if kind == 1:
            return self.choice(NUMBERS)
        data = self.bytes(8).ljust(8, b"\0")
        return int.from_bytes(data, "little", signed=True) if kind == 2 else float(struct.unpack("<d", data)[0])

    def json(self, names: Sequence[str] = (), depth: int = 0) -> Any:
        """A JSON value; of the names its objects are likely to have, some are known."""
        kind = self.byte() % (8 if depth < DEEPEST else 6)
        if kind in (0, 1):
            return self.text(names)
        if kind == 2:
            return self.number()
        if kind in (3, 4, 5):
            return (None, True, False)[kind - 3]
        size = self.byte() % 6
        if kind == 6:
            return [self.json(names, depth + 1) for _ in range(size)]
        return {self.text(names): self.json(names, depth + 1) for _ in range(size)}

    def dumped(self, names: Sequence[str] = ()) -> bytes:
        """JSON as a server might write it: whole, broken off, with an end of something else, or no JSON at all."""
        kind = self.byte() % 8
        if kind == 0:
            return self.rest()
        if kind == 1:
            return b"[" * (self.byte() * 100) + self.rest()
        value = self.json(names) if kind == 2 else {name: self.json(names, 1) for name in names if self.byte() % 2}
        text = json.dumps(value, ensure_ascii=self.byte() % 2 == 0).encode("utf-8", "surrogatepass")
        if kind == 3:
            return text[: self.byte()]
        return text + self.bytes() if kind == 4 else text

    def sql(self) -> int | float | bytes | str | None:
        """A value of SQLite's: no NaN, no lone surrogates, no integer above 64 bits."""
        kind = self.byte() % 5
        if kind == 0:
            return None
        if kind == 1:
            return self.bytes()
        if kind == 2:
            number = self.number()
            if isinstance(number, int):
                return max(-(2**63), min(number, 2**63 - 1))
            return None if math.isnan(number) else number
        text = self.text() if kind == 3 else self.dumped(SENT).decode("utf-8", "replace")
        return text.encode("utf-8", "replace").decode()


# the members of what is written
SENT = ("type", "key", "value", "filters", "file_id", "attributes", "chunking_strategy", "static", "anchor", "days")
SENT += ("max_chunk_size_tokens", "chunk_overlap_tokens", "auto", "eq", "and", "in", "last_active_at", "created_at")
SENT += ("seconds", "ranker", "score_threshold")
