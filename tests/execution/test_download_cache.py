"""The cache of downloads: what it keeps, and when it forgets."""

from __future__ import annotations

import pytest

from openai_vtab.execution import download_cache
from openai_vtab.execution.download_cache import DownloadCache


@pytest.mark.parametrize(
    ("size", "kept"),
    [(0, "abc"), (40, "abc"), (41, "bc"), (60, "bc"), (61, "c"), (100, ""), (1000, "")],
)
def test_cache_forgets_before_a_content_is_read(monkeypatch: pytest.MonkeyPatch, size: int, kept: str) -> None:
    """The oldest contents are forgotten; all of them before one that is larger than the cache."""
    monkeypatch.setattr(download_cache, "DOWNLOAD_CACHE_BYTES", 100)
    cache = DownloadCache()
    for identity in "abc":
        cache.add(identity, 20, lambda: b"x" * 20)
    found: list[str] = []

    def read() -> bytes:
        found.extend(cache)
        return b"x" * size

    cache.add("d", size, read)
    assert "".join(found) == kept
    assert "".join(cache) == kept + "d"
