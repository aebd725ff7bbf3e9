"""Where a sync keeps its ledger unless a database is given, what it calls the table, and how it names the documents.

>>> default_database("/srv/docs", "Handbook", "https://api.openai.com/v1", environment={"HOME": "/home/me"})
PosixPath('/home/me/.local/share/openai-vtab/handbook-1f6a8c2e.db')
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Collection, Mapping
from pathlib import Path

from ..documents.columns import columns
from ..errors import ProgrammingError

LONGEST = 40  # characters of a store's name within other names


def default_database(folder: str, store: str, base_url: str, environment: Mapping[str, str] = os.environ) -> Path:
    """The file for the ledger of a folder and a store: in the user's data directory, one for each pair.

    Not in the folder: while that is not mounted, a new ledger would be made in its place, and it knows of no documents.
    """
    where = hashlib.sha256("\0".join((folder, store, base_url)).encode("utf-8", "surrogateescape")).hexdigest()[:8]
    return _data_home(environment) / "openai-vtab" / f"{_word(store)}-{where}.db"


def _data_home(environment: Mapping[str, str]) -> Path:
    """https://specifications.freedesktop.org/basedir/latest/"""
    for name in ("XDG_DATA_HOME", "LOCALAPPDATA"):
        if Path(environment.get(name, "")).is_absolute():
            return Path(environment[name])
    return Path(environment.get("HOME") or Path.home()) / ".local" / "share"


def default_prefix(folder: str) -> str:
    """The prefix of all keys: the folder's own name, as in the names that fsdir('docs') returns."""
    name = Path(folder).name
    return f"{name}/" if name else ""


def table_name(store: str, taken: Collection[str]) -> str:
    """A name for the table of a store that no other table has: handbook, or handbook_2."""
    word = _word(store)
    try:
        columns(word)
    except ProgrammingError:  # it is one of the table's columns
        word += "_store"
    used = {name.lower() for name in taken}
    number, name = 1, word
    while name in used:
        number += 1
        name = f"{word}_{number}"
    return name


def _word(store: str) -> str:
    return re.sub(r"[\W_]+", "_", store.lower()).strip("_")[:LONGEST] or "documents"
