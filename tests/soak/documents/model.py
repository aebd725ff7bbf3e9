"""What a documents table must contain: a dict of documents by key, undone by rollbacks as SQLite undoes the table.

>>> model = Model()
>>> model.current = inserted(model.current, [Row("a.md", "text")], "INSERT")
>>> model.commit()
Counter({Version(content='text', filename='a.md', chunking=None): 1})
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

NO_ATTRIBUTES = "{}"


@dataclass(frozen=True)
class Version:
    """What an upload is made of: another one is another upload."""

    content: str
    filename: str
    chunking: str | None  # canonical JSON; None is the default


@dataclass(frozen=True)
class Document:
    """A document. `number` tells one that was deleted and inserted again from one that was replaced."""

    number: int
    version: Version
    attributes: str


Documents = dict[str, Document]  # by key


@dataclass(frozen=True)
class Row:
    """A row that a statement inserts."""

    key: str
    content: str
    attributes: str = NO_ATTRIBUTES
    chunking: str | None = None


class Refused(Exception):  # noqa: N818 - what the model expects of a statement
    """The statement must fail. `documents` is what the table contains after it; None if it rolls all back."""

    def __init__(self, documents: Documents | None) -> None:
        super().__init__()
        self.documents = documents


_numbers = itertools.count(1)


def filename(key: str) -> str:
    """The name of a document's file."""
    return key.rpartition("/")[2]


def inserted(documents: Documents, rows: Sequence[Row], verb: str) -> Documents:
    """INSERT with a conflict clause. Raises Refused for a known key."""
    new = dict(documents)
    for row in rows:
        known = new.get(row.key)
        if known is not None and verb == "INSERT OR IGNORE":
            continue
        if known is not None and verb != "INSERT OR REPLACE":
            raise Refused({"INSERT OR FAIL": new, "INSERT OR ROLLBACK": None}.get(verb, documents))
        number = next(_numbers) if known is None else known.number
        new[row.key] = Document(number, Version(row.content, filename(row.key), row.chunking), row.attributes)
    return new


def updated(
    documents: Documents, keys: Sequence[str], content: str | None, attributes: str | None, chunking: str | None
) -> Documents:
    """UPDATE of what is not None. Other chunking needs a content."""
    new = dict(documents)
    for key in keys:
        if key in new:
            document = new[key]
            if content is not None:
                version = Version(content, filename(key), chunking or document.version.chunking)
                document = replace(document, version=version)
            new[key] = document if attributes is None else replace(document, attributes=attributes)
    return new


def renamed(documents: Documents, key: str, to: str, verb: str) -> Documents:
    """UPDATE of the key. Raises Refused for another document's."""
    if key not in documents or key == to:
        return documents
    if to in documents and verb == "UPDATE OR IGNORE":
        return documents
    if to in documents and verb != "UPDATE OR REPLACE":
        raise Refused(documents)
    new = {name: document for name, document in documents.items() if name not in (key, to)}
    return {**new, to: documents[key]}


class Model:
    """What was committed, and what the open transaction sees. `savepoints` are their names, with what was before."""

    def __init__(self) -> None:
        self.committed: Documents = {}
        self.current: Documents = {}
        self.savepoints: list[tuple[str, Documents]] = []

    def begin(self, name: str) -> None:
        """BEGIN or SAVEPOINT."""
        self.savepoints.append((name, self.current))

    def place(self, name: str) -> int:
        """Where the innermost savepoint of a name is, -1 if there is none."""
        return max((place for place, (each, _) in enumerate(self.savepoints) if each == name), default=-1)

    def rollback_to(self, name: str) -> None:
        """ROLLBACK TO."""
        place = self.place(name)
        self.current = self.savepoints[place][1]
        del self.savepoints[place + 1 :]

    def release(self, name: str) -> None:
        """RELEASE of a savepoint that is not the outermost."""
        del self.savepoints[self.place(name) :]

    def new_contents(self) -> Counter[Version]:
        """How often COMMIT must upload each version: for each document that it gives another one."""
        old = {document.number: document.version for document in self.committed.values()}
        new = self.current.values()
        return Counter(document.version for document in new if old.get(document.number) != document.version)

    def commit(self) -> Counter[Version]:
        """COMMIT. Returns what it must have uploaded."""
        uploads = self.new_contents()
        self.committed, self.savepoints = self.current, []
        return uploads

    def rollback(self) -> None:
        """ROLLBACK, or a COMMIT that has failed."""
        self.current, self.savepoints = self.committed, []
