"""Placeholders of StackQL's pages, {{ name }}, and the values that take their places.

A value can never leave the string that its placeholder stands in, neither an SQL string nor a JSON string within one.

>>> fill("SELECT '{{ file_ids }}', {{ n }}", {"file_ids": ["it's"], "n": 5})
'SELECT \\'["it\\'\\'s"]\\', 5'
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping

import apsw

from ..errors import ProgrammingError
from ..schema.values import JSON
from ..sqlite.tokens import BLOB, BRACKETED, COMMENT, NAME, TEXT
from .sql import json_of, literal, quoted, text_of

_PLACEHOLDER = r"\{\{\s*(?:\.values\.)?([A-Za-z_][\w-]*)\s*\}\}"
PLACEHOLDER = re.compile(_PLACEHOLDER)
# A text without its end, x'…', comments and [names], which have no escape for their mark, are not filled.
_PART = re.compile(
    rf"""(?P<literal>{TEXT} | {NAME}) | {BLOB} | {COMMENT} | {BRACKETED} | ['"`\[].* | (?P<bare>{_PLACEHOLDER})""",
    re.VERBOSE | re.DOTALL,
)
# A string without its end is the beginning of one that continues elsewhere, as in '{"a": "{{ b }}' || '"}'.
_IN_JSON = re.compile(rf'"(?:[^"\\]|\\.)*+(?:"|\Z)|{_PLACEHOLDER}', re.DOTALL)
_ESCAPED = re.compile(rf"(?<!\\)(?:\\\\)*\\{_PLACEHOLDER}")
_BEFORE = ("", " ", "\t", "\n", "(", ",", "=")
_AFTER = ("", " ", "\t", "\n", ")", ",", ";")
_NUMBER = re.compile(r"-?(0|[1-9][0-9]{0,14})(\.[0-9]+)?")  # 007 is text


def fill(sql: str, values: Mapping[str, JSON]) -> str:
    """Return the text with the values in place of their placeholders, in strings, in quoted names and between them.

    Comments and text without placeholders stay as they are. Values are not searched for placeholders. Raises
    ProgrammingError with the names of all placeholders that have no value, or for a text in JSON5 with placeholders.
    """
    names = (name for part in _PART.finditer(sql) if part.lastgroup for name in PLACEHOLDER.findall(part[0]))
    if missing := [name for name in dict.fromkeys(names) if not is_value(_value(name, values))]:
        raise ProgrammingError(no_value(missing))
    return _PART.sub(lambda part: _filled(part, values), sql)


def no_value(names: Iterable[str]) -> str:
    """The message of an error for placeholders without a value."""
    return (
        f"no value for {', '.join(names)}; give each to the shell as --var NAME=VALUE or in --manifest FILE, and in "
        "Python to openai_vtab.stackql.fill()"
    )


def placeholder(value: JSON) -> str:
    """The name of the placeholder that the value consists of, "" for any other value."""
    found = PLACEHOLDER.fullmatch(value.strip()) if isinstance(value, str) else None
    return found[1] if found else ""


def is_value(value: JSON) -> bool:
    """Whether the value can fill a placeholder: null and a placeholder cannot."""
    return value is not None and not placeholder(value)


def _value(name: str, values: Mapping[str, JSON]) -> JSON:
    """The value of a placeholder; StackQL's older pages call the placeholder file_ids and the value data__file_ids."""
    found = values.get(name)
    return found if is_value(found) else values.get(f"data__{name}")


def _filled(part: re.Match[str], values: Mapping[str, JSON]) -> str:
    text = part[0]
    if part["bare"]:
        value = _value(PLACEHOLDER.findall(text)[0], values)
        shown = value if isinstance(value, str) and _NUMBER.fullmatch(value) else literal(value)
        # A value is one token of its own: -5 after a minus sign would be a comment, and 'a' beside 'b' one string.
        before, after = part.string[max(part.start() - 1, 0) : part.start()], part.string[part.end() : part.end() + 1]
        return " " * (before not in _BEFORE) + shown + " " * (after not in _AFTER)
    if not part["literal"] or not PLACEHOLDER.search(text):
        return text
    mark = text[0]
    inner = text[1:-1].replace(mark * 2, mark)
    return quoted(_filled_json(inner, values) or _filled_text(inner, values), mark)


def _filled_text(text: str, values: Mapping[str, JSON]) -> str:
    return PLACEHOLDER.sub(lambda found: text_of(_value(found[1], values)), text)


def _filled_json(text: str, values: Mapping[str, JSON]) -> str:
    """The text of a JSON object, array or string with values as JSON, "" if the text is something else.

    A placeholder that is a whole JSON string within strict JSON becomes any JSON, as on the pages:
    "filters": "{{ filters }}". What the text is depends on the text alone, never on a value. A text that is not
    JSON, such as a part of one, still has strings that no value leaves.
    """
    if not re.match(r"[\s\ufeff]*(\[|\"|/[*/]|\{(?!\{))", text):
        return ""
    probe = _IN_JSON.sub(lambda found: " 0 " if found[1] else PLACEHOLDER.sub("x", found[0]), text)
    strict = _is_json(probe, control=True)
    if not strict and _is_json5(probe):
        raise _not_strict(text)

    def replaced(found: re.Match[str], any_json: bool = False) -> str:
        if found[1]:
            return _json_of(_value(found[1], values)) if strict else text_of(_value(found[1], values))
        if any_json and (name := placeholder(found[0][1:-1])):
            return json_of(_value(name, values))
        if _ESCAPED.search(found[0]):
            raise _not_strict(text)
        return PLACEHOLDER.sub(lambda one: json_of(text_of(_value(one[1], values)))[1:-1], found[0])

    if strict and text.lstrip()[0] != '"':
        filled = _IN_JSON.sub(lambda found: replaced(found, any_json=True), text)
        if _is_json(filled, control=True):
            return filled
    return _IN_JSON.sub(replaced, text)  # a key, for instance, can be no number


def _json_of(value: JSON) -> str:
    """The value as JSON; text that is JSON already, such as true from --var, is taken as it is."""
    return value if isinstance(value, str) and _is_json(value) else json_of(value)


def _is_json(text: str, control: bool = False) -> bool:
    """Whether the text is strict JSON, which has no NaN, but has integers of any length.

    With `control`, its strings may contain control characters, such as the ends of lines in a long SQL text.
    """
    try:
        json.loads(text, strict=not control, parse_int=str, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        return False
    return True


def _no_constant(name: str) -> None:
    raise ValueError(name)


def _is_json5(text: str) -> bool:
    """Whether SQLite reads the text as JSON5, in which strings begin and end in more ways than one."""
    ((found,),) = apsw.Connection(":memory:").execute("SELECT json_valid(?, 2)", (text,))
    return bool(found)


def _not_strict(text: str) -> ProgrammingError:
    return ProgrammingError(
        f"{text[:40]!r}: a value could leave its place in this text, because it is not strict JSON; write keys and "
        "strings in double quotes, no comma after the last member, and two backslashes for one"
    )
