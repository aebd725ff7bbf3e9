"""What an error response says about the object that was asked for: absent, no such route, or neither.

A 404 can mean that the API does not know the object, or that the server does not know the address (a base_url without
/v1, a gateway that lacks the route). Only the first may become "no row". This file is pure; the look at the parent
that settles an undecided 404 is made in reach.py.

>>> judge(404, b'{"detail": "Not Found"}', "Not Found", None, "/files/{file_id}", "/files/file-1")
<Verdict.NO_ROUTE: 'no such route'>
"""

from __future__ import annotations

import json
import re
from enum import Enum
from functools import lru_cache
from itertools import pairwise
from urllib.parse import unquote


class Verdict(Enum):
    """What an error response says about the object."""

    ABSENT = "absent"  # the API knows no such object
    NO_ROUTE = "no such route"  # the server does not know the address
    UNDECIDED = "undecided"  # a 404 that could mean either
    OTHER = "other"  # it is about something else


# The words of servers and gateways for an address that they do not know: OpenAI, Groq, LM Studio, Flask, Express,
# Fastify, Go, Laravel, Spring, Kubernetes, Kong, Cloudflare, Azure, AWS, Google, Heroku. The ids and the path have been
# taken out of the message before.
_ROUTE_WORDS = re.compile(
    r"\binvalid ur[il]\b|\brequest(?:ed)? ur[il]\b|\bno route\b|\bcould not route\b|\bdefault backend\b"
    r"|\b(?:unknown|unexpected|invalid|unsupported|no such|no matching|no) "
    r"(?:route|endpoint|operation|handler|static resource)\b"
    r"|\b(?:route|endpoint|ur[il]|page|operation|deployment|subscription|application)\b.{0,60}"
    r"\b(?:not (?:be )?found|does(?: not|n.t) exist)\b"
    r"|\b(?:deployment|subscription|route|endpoint) ?not ?found\b|\bunknown url\b"
    r"|\bno such (?:app|host|bucket|deployment)\b|\bmethod does not exist\b"
    r"|\bcannot (?:get|post|put|patch|delete)\b|\bunable to match incoming request\b"
    r"|^\W*404:? (?:page )?not found\W*$"
)
# AWS API Gateway answers this with 403 for a path that it does not have.
_ROUTE_WORDS_OF_403 = re.compile(r"\bmissing authentication token\b")
# What FastAPI, AWS API Gateway and Echo, and Rails answer for a route that they do not have, as it stands.
_ROUTE_BODIES = ({"detail": "Not Found"}, {"message": "Not Found"}, {"status": 404, "error": "Not Found"})
_ABSENT_WORDS = re.compile(
    r"\bnot (?:be )?found\b|\bno such\b|\bno (?:\S+ ){1,4}?(?:was |were |could be )?(?:found|exists?)\b|\bunknown\b"
    r"|\b(?:does|do|did)(?: not|n.t) (?:exist|belong)\b|\b(?:could|can)(?: ?not|n?.t) (?:find|locate)\b"
    r"|\bunable to (?:find|locate)\b|\bno longer exists\b|\b(?:was|been|is) deleted\b"
    r"|\bis not (?:in|part of|attached to)\b"
)
# "Model 'x' of vector store 'vs_1' not found" is not about the store, nor "Unknown parameter: 'file_id'" about a file.
_OTHER_THINGS = re.compile(
    r"\b(?:models?|providers?|embeddings?|shields?|tools?|assistants?|apis?|parameters?|fields?|arguments?|"
    r"propert(?:y|ies)|headers?)\b"
)
# Web servers say so for any address, and llama.cpp does in an error object like OpenAI's.
_ANY_FILE = re.compile(r"^\W*(?:404\W+)?(?:file not found|no such file or directory)\W*$")
_ID = "\0"  # replaces an id in a message, so that no id is taken for words


def judge(status: int, body: bytes, message: str | None, code: str | None, route: str, target: str) -> Verdict:
    """What an error response says about the object at `target`, a path of the template `route`.

    `message` and `code` are those of the error object, None when the body has none.
    """
    if status not in (400, 403, 404):
        return Verdict.OTHER
    text = body[:4000].decode("utf-8", "replace").strip("\ufeff \t\r\n") if message is None else message
    plain, quotes_path = _without_path(text, target)
    plain = _without_ids(plain, route, target).lower().replace("_", " ")
    words = f"{plain} {(code or '').lower().replace('_', ' ')}"
    if status == 403:
        return Verdict.NO_ROUTE if _ROUTE_WORDS_OF_403.search(words) else Verdict.OTHER
    names_it = _ID in plain or bool(_kinds(route).search(words))
    says_absent = names_it and bool(_ABSENT_WORDS.search(words)) and not _OTHER_THINGS.search(words)
    if status == 400:
        # OpenAI's own 400 for an id that cannot be one has this code: that is a mistake, not an absence
        return Verdict.ABSENT if says_absent and code != "invalid_value" else Verdict.OTHER
    if text.startswith("<") or _ROUTE_WORDS.search(words):
        return Verdict.NO_ROUTE
    if says_absent and not _ANY_FILE.search(plain):
        return Verdict.ABSENT
    if quotes_path or _is_of_a_framework(body, target):
        return Verdict.NO_ROUTE
    return Verdict.UNDECIDED


def _is_of_a_framework(body: bytes, target: str) -> bool:
    """True for a body that a framework makes by itself: no more than "Not Found", or with the path (Spring)."""
    try:
        parsed = json.loads(body)
    except (ValueError, RecursionError):
        return False
    if not isinstance(parsed, dict):
        return False
    return parsed in _ROUTE_BODIES or _without_path(str(parsed.get("path", "")), target)[1]


def _without_path(text: str, target: str) -> tuple[str, bool]:
    """The text without the path that was asked for, and whether it was there."""
    path = target.partition("?")[0]
    paths = "|".join(re.escape(p) for p in {path, unquote(path)} if p and p in text)
    if not paths:
        return text, False
    plain, found = re.subn(rf"[^\s'\"(]*(?:{paths})(?![\w-])", " ", text)
    return plain, found > 0


def _without_ids(text: str, route: str, target: str) -> str:
    """The text with a mark for each id of the path."""
    segments = target.partition("?")[0].split("/")
    pairs = zip(route.split("/"), segments, strict=False)
    ids = {unquote(segment) for part, segment in pairs if part.startswith("{") and segment}
    for id in sorted(ids, key=len, reverse=True):
        text = _marked(text, id)
    return text


def _marked(text: str, id: str) -> str:
    """The text with a mark for the id where it stands alone. Not by a pattern: each id would have to be compiled."""
    marked, *rest = text.split(id)
    for following in rest:
        is_within = any(char.isalnum() or char in "_-" for char in (marked[-1:], following[:1]) if char)
        marked += (id if is_within else _ID) + following
    return marked


@lru_cache(64)
def _kinds(route: str) -> re.Pattern[str]:
    """Finds the kinds of objects in a route: "vector store", and "file batch" or "batch", for those of a batch."""
    parts = route.split("/")
    named = [part for part, following in pairwise(parts) if following.startswith("{")]
    kinds = {re.sub(r"(?<=ch)es$|s$", "", name).replace("_", " ") for name in named}
    kinds |= {kind.rpartition(" ")[2] for kind in kinds}
    spelled = "|".join(re.escape(kind).replace(r"\ ", r"\W?") for kind in sorted(kinds))
    return re.compile(rf"\b(?:{spelled})\b" if kinds else r"(?!)")
