"""Lists: limit, order, after, before and filter, and the package's own reading of them."""

from __future__ import annotations

from typing import Any

from ..question import Questions
from ..world import World

LISTS = Questions()

PAGES = "sandbox/pagination.py: page"
LIST = "GET /vector_stores/{store}/files"
DESCRIPTION = "OpenAI's description"


def ids(world: World, query: str) -> list[str]:
    """The ids of a page of the store's files."""
    return [file["id"] for file in world.get(f"{LIST}?{query}")["data"]]


@LISTS.ask("Does `after` lead through all pages, with each file once?", "yes", source=DESCRIPTION, fix_in=PAGES)
def after(world: World) -> str:
    """GET …/files?limit=1&order=asc&after=…, until has_more is false"""
    found: list[str] = []
    more = True
    while more and len(found) <= 4:
        page = world.get(f"{LIST}?limit=1&order=asc{f'&after={found[-1]}' if found else ''}")
        found += [file["id"] for file in page["data"]]
        more = page["has_more"]
    return "yes" if found == ids(world, "order=asc&limit=100") and len(set(found)) == 4 else f"no: {len(found)} files"


@LISTS.ask(
    "Is the order desc exactly the reverse of asc, also within a second?",
    "yes",
    source="the sandbox; a compatible server has the same order in both",
    fix_in=PAGES,
)
def reverse(world: World) -> str:
    """GET …/files?order=asc and ?order=desc"""
    return "yes" if ids(world, "order=asc") == ids(world, "order=desc")[::-1] else "no"


@LISTS.ask("Which order is the default?", "desc", source=DESCRIPTION, fix_in=PAGES)
def default_order(world: World) -> str:
    """GET …/files without order"""
    found = [file["id"] for file in world.get(LIST)["data"]]
    return next((order for order in ("desc", "asc") if found == ids(world, f"order={order}")), "neither")


@LISTS.ask(
    "Which page does `before` give?",
    "the files just before it, in the list's order",
    source="the sandbox; the description says only that it is a cursor",
    fix_in=PAGES,
)
def before(world: World) -> str:
    """GET …/files?order=asc&limit=2&before=the last file"""
    every = ids(world, "order=asc")
    found = ids(world, f"order=asc&limit=2&before={every[-1]}")
    if found == every[1:3]:
        return "the files just before it, in the list's order"
    return "the first files of the list" if found == every[:2] else f"others: {[every.index(id) for id in found]}"


@LISTS.ask("Which page do `after` and `before` give together?", "the files between", source="the sandbox", fix_in=PAGES)
def after_and_before(world: World) -> str:
    """GET …/files?order=asc&after=the first&before=the last"""
    every = ids(world, "order=asc")
    found = ids(world, f"order=asc&after={every[0]}&before={every[-1]}")
    return "the files between" if found == every[1:-1] else f"others: {[every.index(id) for id in found]}"


@LISTS.ask(
    "Does a page that has exactly the last objects say has_more?",
    False,
    source="the sandbox; not documented",
    fix_in=PAGES,
)
def exact_page(world: World) -> Any:
    """GET …/files?limit=4 of four files"""
    return world.get(f"{LIST}?limit=4")["has_more"]


@LISTS.ask(
    "What are first_id and last_id of an empty page?",
    [None, None],
    source="sttp-ai PR 608 and openai-python#2209; the schema requires strings",
    fix_in=f"{PAGES}; tests/support/contract.py",
)
def empty_page(world: World) -> Any:
    """GET …/files?filter=cancelled of a store without such files"""
    page = world.get(f"{LIST}?filter=cancelled")
    return [page["first_id"], page["last_id"]]


@LISTS.ask(
    "Do filter and limit go together?", ["prices"], source=DESCRIPTION, fix_in="sandbox/endpoints.py: _page_of_files"
)
def filtered(world: World) -> Any:
    """GET …/files?filter=failed&limit=1"""
    names = {world[name]: name for name in ("returns", "shipping", "prices", "warranty")}
    return [names[id] for id in ids(world, "filter=failed&limit=1")]


@LISTS.ask(
    "Does SQL list the same files as HTTP, in order of created_at?",
    "yes",
    source="the package's own promise",
    fix_in="vtable/listing.py, vtable/list_order.py",
)
def sql_list(world: World) -> str:
    """SELECT id FROM vector_store_files … ORDER BY created_at"""
    rows = world.sql(
        "SELECT id, created_at FROM vector_store_files WHERE vector_store_id = ? ORDER BY created_at", world["store"]
    )
    times = [time for _, time in rows]
    return "yes" if times == sorted(times) and {id for id, _ in rows} == set(ids(world, "limit=100")) else "no"
