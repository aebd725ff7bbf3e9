"""Which requests of a transaction must wait for which: the order of the statements, where it matters.

Two requests concern the same object when one of them changes it and the other changes or uses it. Then the later one
is sent after the response to the earlier one. All other requests are sent concurrently.

    request                                 changes                         uses
    --------------------------------------  ------------------------------  ---------------------------------------
    DELETE /vector_stores/S                 /vector_stores/S
    POST /vector_stores/S/file_batches      (a new object)                  /vector_stores/S, its files, /files/F …
    POST /vector_stores/S/files             /vector_stores/S/files/F        /vector_stores/S, /files/F
    DELETE /vector_stores/S/files/F         /vector_stores/S/files/F        /vector_stores/S, /files/F
    POST …/file_batches/B/cancel            …/file_batches/B                /vector_stores/S
    DELETE /files/F                         /files/F

So 200 batches of one store do not wait for each other, and a DELETE of the store waits for all of them.

>>> waits_for([Affected(changes=frozenset({"/files/F"})), Affected(uses=frozenset({"/files/F"}))])
[[], [0]]
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..schema.table import Method, Table

FILES = "/files/{file_id}"


@dataclass(frozen=True, slots=True)
class Affected:
    """The objects, by their paths, that a request changes and that it only uses."""

    changes: frozenset[str] = frozenset()
    uses: frozenset[str] = frozenset()


NOTHING = Affected()


def affected(table: Table, method: Method, parameters: Mapping[str, Any]) -> Affected:
    """Return the objects that a request changes and uses; `parameters` maps the columns' sources to checked values."""
    if not method.variables and not method.attached_files:  # thousands of uploads come here
        return NOTHING
    objects = _objects_of(method.path, {name: str(parameters[table.sources[name]]) for name in method.variables})
    # a path such as /vector_stores/S/files/F/cancel ends with a verb, and /vector_stores/S/files with a collection
    changes, uses = set(objects[-1:]), set(objects[:-1])
    if method.verb == "INSERT":
        changes, uses = set(), set(objects)
    attached = _file_ids(parameters.get(table.sources[method.attached_files])) if method.attached_files else []
    for file_id in attached:
        uses.add(FILES.format(file_id=file_id))
        if objects:
            (changes if method.path.endswith("/files") else uses).add(f"{objects[-1]}{FILES.format(file_id=file_id)}")
    if "file_id" in method.variables:
        uses.add(FILES.format(file_id=parameters[table.sources["file_id"]]))
    return Affected(frozenset(changes), frozenset(uses - changes))


def _objects_of(path: str, values: Mapping[str, str]) -> list[str]:
    """The paths of the objects in a path, outermost first: those that end with an id."""
    objects, so_far = [], ""
    for segment in path.strip("/").split("/"):
        so_far += "/" + (values[segment[1:-1]] if segment.startswith("{") else segment)
        if segment.startswith("{"):
            objects.append(so_far)
    return objects


def _file_ids(given: Any) -> list[str]:
    items = given if isinstance(given, list) else [given]
    ids = (item.get("file_id") if isinstance(item, dict) else item for item in items)
    return [id for id in ids if isinstance(id, str)]


def waits_for(requests: Sequence[Affected]) -> list[list[int]]:
    """For each request, in the order of the statements, the places of the earlier ones that it waits for.

    Takes time in proportion to the number of objects that the requests name.
    """
    waits: list[list[int]] = [[] for _ in requests]
    if not any(request.changes for request in requests):
        return waits
    last_change: dict[str, int] = {}
    users_since: dict[str, list[int]] = {}
    for place, request in enumerate(requests):
        before: set[int] = set()
        for name in request.uses:
            if name in last_change:
                before.add(last_change[name])
            users_since.setdefault(name, []).append(place)
        for name in request.changes:
            if name in last_change:
                before.add(last_change[name])
            before.update(users_since.pop(name, ()))
            last_change[name] = place
        waits[place] = sorted(before - {place})
    return waits


def counts_and_followers(waits: Iterable[Sequence[int]]) -> tuple[list[int], dict[int, list[int]]]:
    """Return (how many each request waits for, who waits for each): what a scheduler counts down."""
    missing: list[int] = []
    followers: dict[int, list[int]] = {}
    for place, before in enumerate(waits):
        missing.append(len(before))
        for earlier in before:
            followers.setdefault(earlier, []).append(place)
    return missing, followers
