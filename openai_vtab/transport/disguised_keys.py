"""Finds an API key that a server quotes, in any mixture of cases, separators and encodings.

Only failed responses are searched in this way: people read their messages, and a reader could undo the encoding.

>>> is_quoted("no such key: sk%2Dproj%2D0123456789", "sk-proj-0123456789")
True
"""

from __future__ import annotations

import base64
import html
import json
import re
from typing import Any
from urllib.parse import unquote

SHORTEST_QUOTED = 12  # letters and digits; a shorter key may be a word of the message
MOST_FORMS = 40  # decoded forms of a text that are searched for the key
QUOTES_THE_KEY = "[the server's message quotes the key]"

_SEPARATORS = re.compile("[^0-9a-z]+")
_ESCAPE = re.compile(r"\\+(?:u([0-9a-fA-F]{4})|x([0-9a-fA-F]{2})|([^ux]))")
_HEXADECIMAL = re.compile("(?:[0-9a-f]{2}){12,}")
_BASE64 = re.compile("[A-Za-z0-9+/_-]{16,}")
_DIGITS_APART = re.compile(r"(?i:0x|\\x)|[^0-9A-Za-z]")


def is_quoted(text: str, key: str) -> bool:
    """Return True if the text has the key in some encoding.

    It decodes percent-encoding, HTML entities, backslash escapes, hexadecimal digits and base64, also nested, and
    compares ASCII letters and digits only, in lower case. A key shorter than SHORTEST_QUOTED is not searched for.
    """
    wanted = _SEPARATORS.sub("", key.lower())
    if len(wanted) < SHORTEST_QUOTED or len(text) < len(wanted):  # no encoding is shorter than the key
        return False
    forms = [text]
    for form in forms:  # the list grows meanwhile
        if wanted in _SEPARATORS.sub("", form.lower()):
            return True
        decoded = [unquote(form)] if "%" in form else []
        if "&" in form:
            decoded.append(html.unescape(form))
        if "\\" in form:
            decoded.append(_unescaped(form))
        digits = _DIGITS_APART.sub("", form).lower()
        if _HEXADECIMAL.search(digits):
            decoded.append(_from_hexadecimal(digits))
        if found := _BASE64.findall(form):
            decoded.append(_from_base64(found))
        for new in decoded:
            if new and new not in forms and len(forms) < MOST_FORMS:
                forms.append(new)
    return False


def without_quotation(body: bytes, encoding: str, key: str) -> bytes:
    """The body of a failed response, with QUOTES_THE_KEY for each string that quotes the key in any encoding."""
    if not is_quoted(body.decode(encoding, "replace"), key):
        return body
    try:
        said = _without_strings(json.loads(body), key)
    except (ValueError, RecursionError):
        return QUOTES_THE_KEY.encode()
    clean = json.dumps(said)
    if is_quoted(clean, key):  # spread over several strings
        clean = json.dumps({"error": {"message": QUOTES_THE_KEY}})
    return clean.encode()


def _without_strings(value: Any, key: str) -> Any:
    """A JSON value with QUOTES_THE_KEY for each string that quotes the key."""
    if isinstance(value, str):
        return QUOTES_THE_KEY if is_quoted(value, key) else value
    if isinstance(value, list):
        return [_without_strings(item, key) for item in value]
    if isinstance(value, dict):
        return {_without_strings(name, key): _without_strings(item, key) for name, item in value.items()}
    return value


def _unescaped(text: str) -> str:
    def character(found: re.Match[str]) -> str:
        return " " if found[3] and found[3] in "bfnrt" else found[3] or chr(int(found[1] or found[2], 16))

    return _ESCAPE.sub(character, text)


def _from_hexadecimal(digits: str) -> str:
    found = [run[0] for start in (0, 1) for run in _HEXADECIMAL.finditer(digits, start)]
    found += [run[1 : len(run) - 1] for run in found]  # if another digit precedes it
    return "\n".join(bytes.fromhex(run).decode("latin-1") for run in found)


def _from_base64(runs: list[str]) -> str:
    decoded = []
    for run in runs:
        for start in range(4):  # other letters may precede it
            part = run[start:]
            part = part[: len(part) - (len(part) % 4 == 1)]
            raw = base64.urlsafe_b64decode(part.replace("+", "-").replace("/", "_") + "=" * (-len(part) % 4))
            decoded.append(raw.decode("latin-1"))
    return "\n".join(decoded)
