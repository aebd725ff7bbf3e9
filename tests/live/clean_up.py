"""Deletes what a run has created, by the ids in its ledger, and nothing else.

If the outcome of a create is unknown, the objects that carry the run's token are looked for.

>>> clean_up(client)
["vs_… (vector_stores): 503 The server is overloaded"]
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import requests as http

from .ledger import KINDS, MARK, Ledger, fingerprint
from .recording_client import RecordingClient, Response

ATTEMPTS = 3
PAUSE = 1.0  # seconds between two attempts
MANY_PAGES = 1000


def clean_up(client: RecordingClient, *, later: bool = False) -> list[str]:
    """Delete what the run has created. Returns a line for everything that may be left.

    `later` says that the run ended some time ago: what the API does not list now does not exist.
    """
    looked = {kind: _look(client, kind) for kind in KINDS if kind in client.ledger.unknown}
    problems = [problem for problem in looked.values() if problem]
    for kind, id in client.ledger.ids:
        response = _attempt(client, "DELETE", f"/{kind}/{id}")
        if isinstance(response, Response) and response.status == 404:
            client.ledger.gone(id)
        elif not isinstance(response, Response) or response.status != 200:
            problems.append(f"{id} ({kind}): {_said(response)}")
    if later and not problems:
        client.ledger.none_left_unknown()
    problems += [
        f"one of {kind}, whose POST got no response: the API lists none yet"
        for kind in client.ledger.unknown
        if not looked[kind]
    ]
    return problems


def clean_up_earlier(folder: Path, base_url: str, key: str) -> Iterator[str]:
    """Clean up what earlier runs at this address, with this key, have left. Yields a line for what each has left."""
    for path in sorted(folder.glob("*.ledger")):
        try:
            ledger = Ledger(path)
        except BlockingIOError:
            yield f"{path}: its run has not ended"
            continue
        client = RecordingClient(base_url, key, ledger)
        try:
            if (ledger.base_url, ledger.key) == (base_url, fingerprint(key)):
                yield from clean_up(client, later=True)
            elif ledger.token:
                ids = ", ".join(id for _, id in ledger.ids) or "objects without a known id"
                yield f"{path}: its run had another key, or another address ({ledger.base_url}), and has left {ids}"
        finally:
            ledger.close()


def _look(client: RecordingClient, kind: str) -> str:
    """Write the ids of objects that creates of unknown outcome have left into the ledger. Returns a problem, or ""."""
    ledger = client.ledger
    known = {id for _, id in ledger.ids}
    try:
        marked = [item["id"] for item in _listed(client, kind) if _is_marked(item, ledger) and item["id"] not in known]
    except Exception as error:  # whatever the list was, the known ids are to be deleted
        return f"one of {kind}, whose POST got no response: the list could not be read: {error}"
    if len(marked) > ledger.unknown.count(kind):
        return f"{', '.join(marked)} ({kind}): more objects carry the token {ledger.token} than the run can have made"
    for id in marked:
        ledger.found(kind, id)
    return ""


def _is_marked(item: Any, ledger: Ledger) -> bool:
    if item["object"] == "file":
        return str(item["filename"]).startswith(ledger.file_prefix)
    return bool((item.get("metadata") or {}).get(MARK) == ledger.token)


def _listed(client: RecordingClient, kind: str) -> Iterator[Any]:
    """The objects of a list. A page that comes again ends it: some proxies ignore `after`."""
    target, seen = f"/{kind}?limit=100", set()
    for _ in range(MANY_PAGES):
        response = _attempt(client, "GET", target)
        if not isinstance(response, Response) or response.status != 200:
            raise http.RequestException(_said(response))
        page = response.json()
        yield from page["data"]
        last = page["data"][-1]["id"] if page["data"] else None
        if last is None or last in seen or not page["has_more"]:
            return
        seen.add(last)
        target = f"/{kind}?limit=100&after={last}"


def _attempt(client: RecordingClient, method: str, target: str) -> Response | Exception:
    """Send an idempotent request up to three times."""
    outcome: Response | Exception = Exception("not sent")
    for number in range(ATTEMPTS):
        time.sleep(PAUSE if number else 0)
        try:
            outcome = client.send(method, target)
        except http.RequestException as error:
            outcome = error
        if isinstance(outcome, Response) and outcome.status not in (408, 409, 429) and outcome.status < 500:
            break
    return outcome


def _said(response: Response | Exception) -> str:
    """What the API said, in a line."""
    if isinstance(response, Exception):
        return str(response)
    found = response.json()
    message = (found.get("error") or {}).get("message") if isinstance(found, dict) else None
    return f"{response.status} {message or ''}".strip()
