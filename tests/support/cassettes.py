"""Recorded exchanges without what differs between two recordings of one server: addresses, keys, accounts, ids, times.

The ids of one kind are numbered in the order in which they appear: vs_1, file-1, vsfb_1. All times become MOMENT plus
whole hours, so that a file that expires in a day still does. Lists lose the objects that other programs have made, and
have those of the same second, whose order is chance, in the order of their names.

>>> write(path, normalised(read(recorded), {"vs_68f…": "vs_cassette"}, moment=time.time(), secrets=Secrets(url, key)))
"""

from __future__ import annotations

import json
import re
import tempfile
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from copy import deepcopy
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote, unquote, urlsplit

from vcr.persisters.filesystem import FilesystemPersister
from vcr.request import Request
from vcr.serialize import serialize
from vcr.serializers import yamlserializer

from openai_vtab.settings import DEFAULT_BASE_URL

MOMENT = 1_800_000_000
KEY = "[key]"
SHORTEST_KEY = 8  # characters
HOST = "server.example"
KINDS = {"files": "file-{}", "vector_stores": "vs_{}", "file_batches": "vsfb_{}"}
PARENTS = ("vector_stores", "files")  # lists of the whole account

TIME = re.compile(r'("\w+_at"\s*:\s*)(\d{10})\b')
ADDRESS = re.compile(r"\b(https?://)(?!(?:[\w-]+\.)*openai\.com\b)[\w.\[\]:-]+")
BARE_ADDRESS = re.compile(r"\b(?:localhost|\d{1,3}(?:\.\d{1,3}){3})(?::\d+)?\b")
ACCOUNT = re.compile(r"\b(org|proj|user|acct)([-_])\w{8,}")
SECRET = re.compile(r"\bsk-[\w*.-]+|[^\s\"']*\*{3,}[^\s\"'.]*")


class Exchange(NamedTuple):
    """A request, and its response as vcrpy keeps it."""

    request: Request
    response: dict[str, Any]

    @property
    def path(self) -> list[str]:
        """The segments of the path below the base URL."""
        return [unquote(part) for part in self.request.uri.removeprefix(DEFAULT_BASE_URL)[1:].split("?")[0].split("/")]

    @property
    def answer(self) -> Any:
        """The response's JSON, None if it is an error or no JSON."""
        if self.response["status"]["code"] >= 400:
            return None
        try:
            return json.loads(self.response["body"]["string"])
        except ValueError:
            return None


@dataclass(frozen=True)
class Secrets:
    """Where the exchanges were recorded, and with which key. Raises ValueError for a key that other words may contain."""

    base_url: str
    api_key: str

    def __post_init__(self) -> None:
        if len(self.api_key) < SHORTEST_KEY:
            raise ValueError(
                f"OPENAI_API_KEY: a key of {len(self.api_key)} characters cannot be told from other words of a "
                f"recording; give the server one of at least {SHORTEST_KEY}, such as sk-recording, or leave the variable "
                "out if the server needs none"
            )

    def hidden(self, text: str) -> str:
        """The text with OpenAI's address for the server's, and without keys, other hosts and accounts."""
        text = text.replace(self.base_url, DEFAULT_BASE_URL).replace(self.api_key, KEY)
        text = ADDRESS.sub(rf"\1{HOST}", text.replace(urlsplit(self.base_url).netloc, HOST))
        text = ACCOUNT.sub(r"\1\2account", BARE_ADDRESS.sub(HOST, text))
        return SECRET.sub(KEY, text)


def normalised(
    exchanges: Iterable[Exchange], names: Mapping[str, str], moment: float, secrets: Secrets
) -> list[Exchange]:
    """The exchanges as any recording of this server has them.

    `names` are the names of objects that were made before the recording. Raises ValueError if the address, the key
    or an id would remain.
    """
    hidden = [_changed(exchange, secrets.hidden) for exchange in exchanges]
    known = _ids(hidden, names)
    own = [_without_others(exchange, known) for exchange in hidden]
    named = [_changed(exchange, lambda text: with_names(text, known)) for exchange in own]
    done = [_at_moment(_in_one_order(exchange), moment) for exchange in named]
    text, ids = _text(done), [id for id in known if len(id) > 8 and id not in known.values()]
    for secret in (secrets.api_key, urlsplit(secrets.base_url).netloc, *ids):
        if secret in text and secret not in DEFAULT_BASE_URL:
            raise ValueError(f"the recording still contains {secret!r}: tests/support/cassettes.py must replace it")
    return done


def without_repeated_looks(exchanges: list[Exchange], pauses: Collection[int]) -> list[Exchange]:
    """The exchanges without those that a test repeats after a pause: how often it looks is no property of the server.

    `pauses` are the numbers of exchanges that there were at each pause.
    """

    def asked(exchange: Exchange) -> tuple[Any, ...]:
        return (exchange.request.method, exchange.request.uri, exchange.request.body)

    repeated = {n - 1 for n in pauses if 0 < n < len(exchanges) and asked(exchanges[n - 1]) == asked(exchanges[n])}
    return [exchange for number, exchange in enumerate(exchanges) if number not in repeated]


def with_names(text: str, names: Mapping[str, str]) -> str:
    """The text with names for ids, but not for parts of other words. A short id is replaced only where it stands alone."""
    for id in sorted(names, key=len, reverse=True):
        before, after = (r"(?<![\w-])", r"(?![\w-])") if len(id) > 8 else (r"(?<=[\"/=])", r"(?=[\"/?&]|$)")
        for spelled in {id, quote(id, safe="")}:
            text = re.sub(before + re.escape(spelled) + after, names[id].replace("\\", r"\\"), text)
    return text


def _ids(exchanges: list[Exchange], names: Mapping[str, str]) -> dict[str, str]:
    """A name for the id of each object and request, in the order of their first appearance."""
    known = dict(names)
    count: Counter[str] = Counter()
    for number, exchange in enumerate(exchanges, 1):
        request_id = _header(exchange.response, "x-request-id")
        if request_id:
            known[request_id] = f"req_{number}"
        kind = next((part for part in reversed(exchange.path) if part in KINDS), "files")
        answer = exchange.answer
        found = [answer] if isinstance(answer, dict) else []
        if found and isinstance(answer.get("data"), list):
            found = answer["data"] if len(exchange.path) > 1 else []
        for item in found:
            for member, of in (("id", kind), ("file_id", "files")):
                id = item.get(member) if isinstance(item, dict) else None
                if isinstance(id, str) and id and id not in known and id not in known.values():
                    count[of] += 1
                    known[id] = KINDS[of].format(count[of])
    return known


def _without_others(exchange: Exchange, known: Mapping[str, str]) -> Exchange:
    """The exchange without the objects of a list that no other exchange names."""
    answer = exchange.answer
    if len(exchange.path) != 1 or exchange.path[0] not in PARENTS or not isinstance(answer, dict):
        return exchange
    items = answer.get("data")
    if not isinstance(items, list):
        return exchange
    own = [
        item
        for item in items
        if isinstance(item, dict) and (item.get("id") in known or item.get("id") in known.values())
    ]
    return exchange if own == items else _listed(exchange, answer, own)


def _in_one_order(exchange: Exchange) -> Exchange:
    """The exchange with the objects of the same second in the order of their ids, if its list has one page."""
    answer = exchange.answer
    if "after=" in exchange.request.uri or not isinstance(answer, dict) or answer.get("has_more") is not False:
        return exchange
    items = answer.get("data")
    if not isinstance(items, list) or not all(isinstance(item, dict) and "created_at" in item for item in items):
        return exchange
    ordered: list[Any] = []
    for _, same in groupby(items, key=lambda item: item["created_at"]):
        ordered += sorted(same, key=lambda item: str(item.get("id")))
    return exchange if ordered == items else _listed(exchange, answer, ordered)


def _listed(exchange: Exchange, answer: dict[str, Any], items: list[Any]) -> Exchange:
    """The exchange with these objects as the only page of its list."""
    first, last = (items[0].get("id"), items[-1].get("id")) if items else (None, None)
    ends = {name: id for name, id in (("first_id", first), ("last_id", last)) if name in answer}
    more = {"has_more": False} if "has_more" in answer else {}
    return _changed(exchange, lambda _: json.dumps({**answer, "data": items, **ends, **more}), only_response=True)


def _at_moment(exchange: Exchange, moment: float) -> Exchange:
    def moved(found: re.Match[str]) -> str:
        return f"{found[1]}{MOMENT + round((int(found[2]) - moment) / 3600) * 3600}"

    return _changed(exchange, lambda text: TIME.sub(moved, text), only_response=True)


def _changed(exchange: Exchange, change: Callable[[str], str], only_response: bool = False) -> Exchange:
    """The exchange after a change of its texts: address, bodies and the response's headers."""
    request, response = exchange
    if not only_response:
        body = request.body and _encoded(change(_decoded(request.body)))
        request = Request(request.method, change(request.uri), body, dict(request.headers))
    headers = response["headers"]
    if not only_response:
        headers = {name: [change(value) for value in values] for name, values in headers.items()}
    text = change(_decoded(response["body"]["string"]))
    return Exchange(request, {**response, "headers": headers, "body": {"string": _encoded(text)}})


def _decoded(body: bytes) -> str:
    return body.decode("utf-8", "surrogateescape")


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _header(response: dict[str, Any], name: str) -> str:
    return next(iter(response["headers"].get(name, ())), "")


def read(path: Path) -> list[Exchange]:
    """The exchanges of a cassette; none if there is no such file."""
    if not path.exists():
        return []
    return [Exchange(*pair) for pair in zip(*FilesystemPersister.load_cassette(path, yamlserializer), strict=True)]


def write(path: Path, exchanges: Iterable[Exchange]) -> None:
    """Replace a cassette. An interrupted write leaves the former one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".recording-") as folder:
        new = Path(folder) / path.name
        new.write_text(_text(exchanges), encoding="utf-8")
        new.replace(path)


def _text(exchanges: Iterable[Exchange]) -> str:
    requests, responses = zip(*exchanges, strict=True)
    copies = deepcopy(responses)  # vcrpy changes them
    return str(serialize({"requests": requests, "responses": copies}, yamlserializer))
