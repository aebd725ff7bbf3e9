"""The verdict of an error response on the requested object: absent, no such route, or neither.

A 404 can mean that the API does not know the object, or that the server does not know the address (a base_url without
/v1, a gateway that lacks the route). Only the first may become "no row". An undecided 404 is settled by a request to
the parent (execution/undecided_404.py).

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

# the statuses that may be about one object: compatible servers answer 400, 410 or 422 for an absent one
STATUSES = frozenset({400, 403, 404, 410, 422})

# seconds after its creation in which a 404 does not mean that an object does not exist: reads lag behind writes,
# https://github.com/mkdev-me/terraform-provider-openai/issues/35
READ_AFTER_WRITE_SECONDS = 10.0


class Verdict(Enum):
    """The verdict of an error response on the object."""

    ABSENT = "absent"  # the API knows no such object
    NO_ROUTE = "no such route"  # the server does not know the address
    UNDECIDED = "undecided"  # a 404 that could mean either
    OTHER = "other"  # the error is about something else


# What servers and gateways say about an address that they do not know: OpenAI, Groq, LM Studio, Flask, Express,
# Fastify, Go, Laravel, Spring, Kubernetes, Kong, Cloudflare, Azure, AWS, Google, Heroku. The ids and the path have been
# removed from the message before.
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
# AWS API Gateway answers 403 with this message for an unknown path.
_ROUTE_WORDS_OF_403 = re.compile(r"\bmissing authentication token\b")
# The bodies of FastAPI, of AWS API Gateway and Echo, and of Rails for an unknown route.
_ROUTE_BODIES = ({"detail": "Not Found"}, {"message": "Not Found"}, {"status": 404, "error": "Not Found"})
_ABSENT_WORDS = re.compile(
    r"\bnot (?:be )?found\b|\bno (?:\S+ ){1,4}?(?:was |were |could be )?(?:found|exists?)\b"
    r"|\bno (?:\S+ ){1,4}?with (?:\S+ )?ids?\b|\b(?:unknown|no such) (?:\S+ ){0,3}?\W*\0"
    r"|\b(?:does|do|did)(?: not|n.t) (?:exist|belong)\b|\b(?:could|can)(?: ?not|n?.t) (?:find|locate)\b"
    r"|\bunable to (?:find|locate)\b|\bno longer exists\b|\b(?:was|been|is) deleted\b"
    r"|\bis not (?:in|part of|attached to)\b"
)
# "Model 'x' of vector store 'vs_1' not found" is not about the store, nor "Unknown method GET for vector store vs_1".
# But "Invalid parameter: vector store vs_1 not found" is, and "vector store vs_1 not found (field: vector_store_id)".
_OTHERS = (
    r"(?:models?|providers?|embeddings?|shields?|tools?|assistants?|apis?|parameters?|fields?|arguments?|propert(?:y|ies)"
    r"|headers?|methods?|routes?|endpoints?|handlers?|operations?|backends?|features?|plugins?|functions?|services?)"
)
# Web servers say this about any address, and llama.cpp does in an error object like OpenAI's.
_ANY_FILE = re.compile(
    r"^\W*(?:(?:404|error)\W+)*(?:file not found|file does not exist|no such file(?: or directory)?)\W*(?:404\W*)?$"
)
_WITHIN = re.compile(r"[\w\-/\\]")
_ID = "\0"  # replaces an id in a message, so that no id is taken for words


def judge(status: int, body: bytes, message: str | None, code: str | None, route: str, target: str) -> Verdict:
    """Return the verdict of an error response on the object at `target`, a path of the template `route`.

    `message` and `code` come from the error object; they are None when the body has none.
    """
    if status not in STATUSES:
        return Verdict.OTHER
    text = body[:4000].decode("utf-8", "replace").strip("\ufeff \t\r\n") if message is None else message
    plain, quotes_path = _without_path(text, target)
    plain = _without_ids(plain, route, target).lower().replace("_", " ")
    words = f"{plain} {(code or '').lower().replace('_', ' ')}"
    if status == 403:
        return Verdict.NO_ROUTE if _ROUTE_WORDS_OF_403.search(words) else Verdict.OTHER
    is_about_another = bool(_other_things(route).search(words))
    names_it = _ID in plain and bool(_ABSENT_WORDS.search(words)) and not is_about_another
    is_kind_absent = bool(_kind_absent(route).search(words)) and not (is_about_another or quotes_path)
    # any web server says "File not found"; only in the API's error object does the API say it
    says_absent = names_it or (is_kind_absent and _is_of_the_api(body) and not _ANY_FILE.search(plain))
    if status != 404:
        # OpenAI answers 400 with this code for a malformed id: a mistake, not an absent object
        return Verdict.ABSENT if says_absent and code != "invalid_value" else Verdict.OTHER
    if is_page(body) or (_ROUTE_WORDS.search(words) and not names_it):
        return Verdict.NO_ROUTE
    if says_absent:
        return Verdict.ABSENT
    if quotes_path or _is_of_a_framework(body, target):
        return Verdict.NO_ROUTE
    return Verdict.UNDECIDED


def is_page(body: bytes) -> bool:
    """True for HTML and XML, which web servers, gateways and storages send, but never the API."""
    return body[:4000].decode("utf-8", "replace").strip("\ufeff \t\r\n").startswith("<")


def _is_of_the_api(body: bytes) -> bool:
    """True for an error object in the API's shape: {"error": {"message": "…"}}."""
    try:
        parsed = json.loads(body)
    except (ValueError, RecursionError):
        return False
    error = parsed.get("error") if isinstance(parsed, dict) else None
    return isinstance(error, dict) and isinstance(error.get("message"), str)


def _is_of_a_framework(body: bytes, target: str) -> bool:
    """True for a framework's default body: "Not Found" alone, or with the path (Spring)."""
    try:
        parsed = json.loads(body)
    except (ValueError, RecursionError):
        return False
    if not isinstance(parsed, dict):
        return False
    return parsed in _ROUTE_BODIES or _without_path(str(parsed.get("path", "")), target)[1]


def _without_path(text: str, target: str) -> tuple[str, bool]:
    """The text without the requested path, and whether the text had the path."""
    path = target.partition("?")[0]
    paths = "|".join(re.escape(p) for p in {path, unquote(path)} if p and p in text)
    if not paths:
        return text, False
    plain, found = re.subn(rf"[^\s'\"(]*(?:{paths})(?![\w-])", " ", text)
    return plain, found > 0


def _without_ids(text: str, route: str, target: str) -> str:
    """The text with a mark in place of each id of the path."""
    segments = target.partition("?")[0].split("/")
    pairs = zip(route.split("/"), segments, strict=False)
    ids = {unquote(segment) for part, segment in pairs if part.startswith("{") and segment}
    for id in sorted(ids, key=len, reverse=True):
        text = _marked(text, id)
    return text


def _marked(text: str, id: str) -> str:
    """The text with a mark in place of the id, except within a word, a path or a file name.

    Without a regular expression, which would have to be compiled for each id.
    """
    marked, *rest = text.split(id)
    for following in rest:
        is_within = _WITHIN.search(marked[-1:] + following[:1]) is not None
        is_within = is_within or (following[:1] == "." and following[1:2].isalnum())
        marked += (id if is_within else _ID) + following
    return marked


@lru_cache(64)
def _other_things(route: str) -> re.Pattern[str]:
    """The pattern for the absence of something else than an object of the route."""
    own = "|".join(re.escape(kind) for kind in sorted(_kinds(route)))
    others = rf"(?!(?:{own})s?\b){_OTHERS}" if own else _OTHERS
    return re.compile(
        rf"\b(?:no|no such|unknown|unsupported|find|locate)(?: (?:an?|the|any))? {others}\b"
        rf"|\b{others}(?: [^\s:;,]+){{0,2}} (?:of|for|in|on|from|not|was|is|are|does|do|could|can|has)\b"
    )


def _kinds(route: str) -> set[str]:
    """The kinds of the route's objects: {"vector store", "file batch"}."""
    named = [part for part, following in pairwise(route.split("/")) if following.startswith("{")]
    return {re.sub(r"(?<=ch)es$|s$", "", name).replace("_", " ") for name in named}


@lru_cache(64)
def _kind_absent(route: str) -> re.Pattern[str]:
    """The pattern for the absence of an object of the route: "no such vector store", "file batch does not exist".

    The kind itself must be absent: "vector store backend not found" and "key/value store not found" do not match.
    """
    kinds = _kinds(route)
    if not kinds:
        return re.compile(r"(?!)")
    spelled = "|".join(re.escape(kind).replace(r"\ ", r"[\W_]?") for kind in sorted(kinds))
    kind = rf"(?:{spelled})(?: (?:object|resource|id))?"
    return re.compile(
        rf"\bno {kind} (?:was |were |could be )?(?:found|exists?|with)\b"
        rf"|\b(?:no such|unknown|(?:find|locate)(?: (?:an?|the|any|this|that))?) {kind}(?=\W*$|[.:;,(]| (?:with|in)\b)"
        rf"|\b{kind}\W{{1,3}}(?:(?:was|is|could|can|has been) )?(?:not (?:be )?found|cannot be found|deleted"
        r"|(?:does|do|did)(?: not|n.t) (?:exist|belong)|no longer exists|is not (?:in|part of|attached to))\b"
    )
