"""The arguments of CREATE VIRTUAL TABLE … USING vector_store_documents(…).

>>> parse("handbook", ["name = 'Handbook'", "expires_after = '{\"anchor\": \"last_active_at\", \"days\": 7}'"])
Arguments(vector_store_id=None, name='Handbook', …)
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from ..errors import ProgrammingError
from ..schema import attachment_validators, validators
from ..schema.values import JSON, Check, InvalidValue, Limits, shortened, sql_literal
from .canonical import canonical_chunking

_TOKEN = re.compile(r"""'(?:[^']|'')*'|"[^"]*"|`[^`]*`|\[[^\]]*\]|--[^\n]*|/\*.*?(?:\*/|\Z)|\w+|\s+|.""", re.DOTALL)
_KEY_NAME = re.compile(r"\W*(?:openai_)?(?:api_?)?(?:key|token|secret)\b|\W*authorization\b", re.IGNORECASE)
_KEY = re.compile(r"""(?:^|['"=\s])(?:bearer\s+)?sk-""", re.IGNORECASE)
STRICT = Limits()
EXAMPLES = "name = 'Handbook' or vector_store_id = 'vs_…'"
_JSON_EXAMPLES = {
    "expires_after": """'{"anchor": "last_active_at", "days": 7}'""",
    "metadata": """'{"team": "docs"}'""",
}


@dataclass(frozen=True)
class Arguments:
    """Exactly one of vector_store_id and name is given.

    name, expires_after, metadata: of the vector store that the first documents create.
    chunking: canonical JSON, for documents that are written without a chunking_strategy; None is the API's default.
    """

    vector_store_id: str | None = None
    name: str | None = None
    chunking: str | None = None
    expires_after: dict[str, JSON] | None = None
    metadata: dict[str, JSON] | None = None


def _name(value: object, limits: Limits) -> str:
    name = validators.text(str(value), limits)
    if not name.strip():
        raise InvalidValue(f"{sql_literal(name)} is not a name", "name = 'Handbook'")
    return name


CHECKS: dict[str, Check] = {
    "vector_store_id": validators.identifier,
    "name": _name,
    "chunking_strategy": attachment_validators.chunking_strategy,
    "expires_after": validators.store_expires_after,
    "metadata": attachment_validators.metadata,
}


def parse(table: str, texts: Sequence[str], limits: Limits = STRICT) -> Arguments:
    """Return the arguments from their texts, as SQLite passes them. Raises ProgrammingError."""
    found: dict[str, JSON] = {}
    for text in texts:
        name, value = _pair(table, text)
        if name in found:
            raise ProgrammingError(f"{table}: the argument {name} is given twice; write it once")
        try:
            found[name] = CHECKS[name](value, limits)
        except InvalidValue as error:
            # an argument is a text in single quotes: SQLite calls no function such as json_object() in it
            is_call = error.instead.startswith("json_object(")
            instead = _JSON_EXAMPLES[name] if is_call else error.instead
            raise ProgrammingError(f"{table}: the argument {name}: {error.problem}; write {instead}") from None
    if ("name" in found) == ("vector_store_id" in found):
        given = "both are given" if found.keys() >= {"name", "vector_store_id"} else "neither is given"
        raise ProgrammingError(f"{table}: it needs one of the arguments {EXAMPLES}, and {given}")
    for name in ("expires_after", "metadata"):
        if name in found and "vector_store_id" in found:
            raise ProgrammingError(
                f"{table}: the argument {name} is for a vector store that this table creates, and vector_store_id "
                f"names one that exists; UPDATE vector_stores SET {name} = … WHERE vector_store_id = …"
            )
    return Arguments(
        found.get("vector_store_id"),
        found.get("name"),
        canonical_chunking(found["chunking_strategy"]) if "chunking_strategy" in found else None,
        found.get("expires_after"),
        found.get("metadata"),
    )


def _pair(table: str, text: str) -> tuple[str, str]:
    """Return the name of an argument in small letters, and its value."""
    tokens = [token for token in _TOKEN.findall(text) if not token.isspace() and not token.startswith(("--", "/*"))]
    if _KEY_NAME.match(tokens[0] if tokens else "") or _KEY.search(text):  # not shown: it may be a key
        raise ProgrammingError(
            f"{table}: an argument looks like an API key, which would be stored in the database file; set "
            "OPENAI_API_KEY, or give api_key to connect()"
        )
    name = tokens[0].strip('"`[]').lower() if tokens else ""
    if name not in CHECKS or len(tokens) != 3 or tokens[1] != "=" or not tokens[2].startswith("'"):
        shown = shortened(text.strip()) or "''"
        raise ProgrammingError(
            f"{table}: {shown} is not an argument of vector_store_documents; write one of "
            f"{', '.join(CHECKS)}, = and a text in single quotes, such as {EXAMPLES}"
        )
    return name, tokens[2][1:-1].replace("''", "'")
