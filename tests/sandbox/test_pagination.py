"""Pages of lists: limit, order, after and before."""

from __future__ import annotations

from typing import Any

import pytest

from .conftest import Call


@pytest.mark.parametrize("order", ["asc", "desc"])
def test_pagination_returns_each_item_once(call: Call, sandbox: Any, order: str) -> None:
    """after and limit walk through the whole list in its order; 20 are the default. before goes back."""
    store = sandbox.add_store()
    ids = [sandbox.add_file(f"{n}.md") for n in range(45)]
    batch = sandbox.add_batch(store, ids)
    for path in (f"/vector_stores/{store}/files", f"/vector_stores/{store}/file_batches/{batch}/files"):
        seen: list[str] = []
        sizes: list[int] = []
        after = ""
        while True:
            page = call(f"GET {path}?order={order}{after}").json()
            sizes.append(len(page["data"]))
            seen += [item["id"] for item in page["data"]]
            assert (page["first_id"], page["last_id"]) == (page["data"][0]["id"], page["data"][-1]["id"])
            if not page["has_more"]:
                break
            after = f"&after={page['last_id']}"
        assert sizes == [20, 20, 5]
        assert sorted(seen) == sorted(ids)
    before = call(f"GET /vector_stores/{store}/files?limit=3&order={order}&before={seen[10]}").json()
    assert [item["id"] for item in before["data"]] == seen[7:10]
    empty = call(f"GET /vector_stores/{store}/files?filter=failed").json()
    assert empty == {"object": "list", "data": [], "first_id": None, "last_id": None, "has_more": False}
