"""The rows of a documents table: what the user wants, and what the API has, as far as is known.

    NAME_documents   one row for each document: its key, and what the user wants it to be
    NAME_files       one row for each file at OpenAI that the table has uploaded or adopted, or may have
    NAME_config      the vector store's id, and what was learned of the server

>>> store = DocumentStore(internal_sql, "main", "handbook", "/data/my.db")
>>> store.document("docs/a.md").attributes
'{"author":"Ann"}'
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache

from ..schema.values import SQLiteValue
from ..sqlite.internal_sql import InternalSQL
from . import statement_texts
from .contents import Contents
from .learned import Learned
from .rows import Document, Pair, StoredFile
from .shadow import DocumentShadow
from .statement_texts import CHANGED, DOCUMENT, FILE
from .states import NEXT_STATES, State

SIZE = len(Document._fields)
STATE = StoredFile._fields.index("state")
_state = lru_cache(len(State))(State)  # State() takes a tenth of what a row does


class DocumentStore:
    """Reads and writes the rows of one table, in the database file `file` ("" when it is in none).

    learned: what SELECT has learned of the files, and what no statement has written yet. The methods that return files
        add it to what the rows say. Two stores of the same rows share it.
    contents: what the open transaction has still to upload.
    deleted: documents with files at the API that it has deleted. ROLLBACK TO may have brought some of them back.
    """

    def __init__(
        self, internal_sql: InternalSQL, schema: str, name: str, file: str, learned: Learned | None = None
    ) -> None:
        self.shadow = DocumentShadow(internal_sql, schema, name)
        self.file = file
        self.contents = Contents()
        self.deleted: set[int] = set()
        self._sql = internal_sql
        self.learned = Learned() if learned is None else learned

    @property
    def name(self) -> str:
        """The name of the table now."""
        return self.shadow.name

    def is_there(self) -> bool:
        """Return whether the shadow tables exist."""
        return self.shadow.exists()

    def elsewhere(self, internal_sql: InternalSQL) -> DocumentStore:
        """Return the same rows, and what was learned of them, on a connection whose main database is the file."""
        return DocumentStore(internal_sql, "main", self.shadow.names[0], self.file, self.learned)

    def create(self, vector_store_id: str | None) -> None:
        """Create the shadow tables. Raises ProgrammingError when they cannot be created."""
        self.shadow.create()
        self.set("vector_store_id", vector_store_id)

    def drop(self) -> None:
        """DROP TABLE: forget everything but the contents, because ROLLBACK TO may bring the table back."""
        self.shadow.drop()
        self.learned.clear()

    # documents

    def document(self, key: str) -> Document | None:
        """Return the document with this key."""
        return next(self._documents("d.key = ?", [key]), None)

    def document_at(self, id: int) -> Document | None:
        """Return the document with this rowid."""
        return next(self._documents("d.id = ?", [id]), None)

    def _documents(self, where: str, bindings: Sequence[SQLiteValue]) -> Iterator[Document]:
        sql = f"SELECT {DOCUMENT} FROM {self.shadow.path('documents')} AS d WHERE {where}"
        return map(Document._make, self._sql.read(sql, bindings))

    def add_document(self, **columns: SQLiteValue) -> int:
        """Insert a document, and return its rowid. Raises apsw.ConstraintError when the key is there."""
        return self._insert("documents", columns)

    def change_document(self, id: int, **columns: SQLiteValue) -> None:
        """Set columns of a document."""
        sql = statement_texts.update(self.shadow.path("documents"), tuple(columns), is_file=False)
        self._sql.write(sql, [*columns.values(), id])

    def forget_stamps(self) -> None:
        """Forget the sizes and times of the local files, so that each is read when it is written again."""
        self._sql.write(f"UPDATE {self.shadow.path('documents')} SET stamp = NULL WHERE stamp IS NOT NULL")

    def remove_document(self, id: int) -> None:
        """Delete a document's row."""
        self._sql.write(f"DELETE FROM {self.shadow.path('documents')} WHERE id = ?", [id])

    def listed(
        self, where: str = "true", bindings: Sequence[SQLiteValue] = (), limit: int = -1
    ) -> Iterator[tuple[Document, StoredFile | None]]:
        """Yield the documents with their newest files, by rowid. `where` names d (documents) and f (files).

        limit: the number of documents at most; -1 for all.
        """
        sql = statement_texts.listed(self.shadow.path("documents"), self.shadow.path("files"), where, limit)
        for row in self._sql.read(sql, bindings):
            file = None if row[SIZE] is None else self._file(row[SIZE:])
            yield Document._make(row[:SIZE]), file

    # files

    def files(self, where: str, bindings: Sequence[SQLiteValue] = ()) -> list[StoredFile]:
        """Return files, by id. `where` names f (files)."""
        sql = f"SELECT {FILE} FROM {self.shadow.path('files')} AS f WHERE {where} ORDER BY f.id"
        return [self._file(row) for row in self._sql.read(sql, bindings)]

    def files_in(self, *states: State) -> list[StoredFile]:
        """Return the files in these states, as the rows and what was learned say."""
        known = ", ".join(f"'{state}'" for state in states)
        learned = json.dumps(self.learned.ids_in(states))
        found = self.files(f"f.state IN ({known}) OR f.file_id IN (SELECT value FROM openai.json_each(?))", [learned])
        return [file for file in found if file.state in states]

    def files_of(self, document: int) -> list[StoredFile]:
        """Return the files of a document, the newest last."""
        return self.files("f.document = ?", [document])

    def with_file_id(self, file_id: str) -> StoredFile | None:
        """Return the file with this id."""
        return next(iter(self.files("f.file_id = ?", [file_id])), None)

    def with_intent(self, intent: str) -> StoredFile | None:
        """Return the file whose upload an intent stands for."""
        return next(iter(self.files("f.intent = ?", [intent])), None)

    def at_the_api(self) -> int:
        """Return the number of files that the API has, as far as is known."""
        sql = f"SELECT count(*) FROM {self.shadow.path('files')} WHERE file_id IS NOT NULL AND state <> 'missing'"
        (count,) = next(self._sql.read(sql))
        return int(count or 0)

    def _file(self, row: Sequence[SQLiteValue]) -> StoredFile:
        values = list(row)
        values[STATE] = _state(str(row[STATE]))
        return self.learned.current(StoredFile._make(values))

    def add_file(self, **columns: SQLiteValue) -> int:
        """Insert a file, and return the row's id."""
        return self._insert("files", columns)

    def change_file(self, id: int, **columns: SQLiteValue) -> None:
        """Set columns of a file."""
        sql = statement_texts.update(self.shadow.path("files"), tuple(columns), is_file=True)
        self._sql.write(sql, [*columns.values(), id])

    def move(self, file: StoredFile, state: State, **columns: SQLiteValue) -> None:
        """Set the state of a file, and other columns. What was learned of it while reading is out of date."""
        assert state is file.state or state in NEXT_STATES[file.state], (file.state, state)  # noqa: S101
        if file.file_id is not None:
            self.learned.forget(file.file_id)
        self.change_file(file.id, state=state, **columns)

    def advance(self, file: StoredFile, **columns: SQLiteValue) -> None:
        """Set columns of a file, unless its state has changed since it was read: a result may be written twice."""
        sql = f"{statement_texts.update(self.shadow.path('files'), tuple(columns), is_file=True)} AND state = ?"
        self._sql.write(sql, [*columns.values(), file.id, file.state])

    def uploaded(self, answers: Mapping[int, dict[str, object]]) -> None:
        """Write what the API says of uploads, by the ids of their files' rows."""
        rows = [[id, *map(answer.get, ("id", "created_at", "sha256"))] for id, answer in answers.items()]
        # +state, here and below: SQLite would begin with the index of the states, and read the whole JSON for each file
        self._sql.write(
            f"UPDATE {self.shadow.path('files')} AS f SET state = 'uploaded', file_id = new.value ->> 1, "
            f"created_at = new.value ->> 2, sha256 = new.value ->> 3, {CHANGED} FROM openai.json_each(?) AS new "
            "WHERE f.id = new.value ->> 0 AND +f.state = 'wanted'",
            [json.dumps(rows)],
        )

    def attached(self, part: Sequence[Pair], batch_id: str, at: int) -> None:
        """Write that a batch attaches files with the attributes and the chunking of their documents."""
        rows = [[file.id, document.attributes, document.chunking] for document, file in part]
        self._sql.write(
            f"UPDATE {self.shadow.path('files')} AS f SET state = 'in_progress', batch_id = ?, attached_at = ?, "
            f"answer = NULL, attributes = new.value ->> 1, chunking = new.value ->> 2, {CHANGED} "
            "FROM openai.json_each(?) AS new "
            "WHERE f.id = new.value ->> 0 AND +f.state = 'uploaded'",
            [batch_id, at, json.dumps(rows)],
        )

    def remove_file(self, id: int) -> None:
        """Delete a file's row."""
        self._sql.write(f"DELETE FROM {self.shadow.path('files')} WHERE id = ?", [id])

    # the vector store's id, and what else is one value

    def setting(self, name: str) -> SQLiteValue:
        """Return a value of the table's configuration, None when it has none."""
        sql = f"SELECT value FROM {self.shadow.path('config')} WHERE name = ?"
        return next(self._sql.read(sql, [name]), (None,))[0]

    def set(self, name: str, value: SQLiteValue) -> None:
        """Write a value of the table's configuration; None removes it."""
        path = self.shadow.path("config")
        if value is None:
            self._sql.write(f"DELETE FROM {path} WHERE name = ?", [name])
        else:
            self._sql.write(f"INSERT OR REPLACE INTO {path} VALUES (?, ?)", [name, value])

    def ignores_files(self) -> bool:
        """Return whether the server has ignored `files` in a request for a batch before."""
        return self.setting("ignores_files") is not None

    def learn_ignores_files(self) -> bool:
        """Write that the server ignores `files`. Returns whether that is new."""
        is_new = not self.ignores_files()
        self.set("ignores_files", 1)
        return is_new

    # what was learned while reading

    def write_learned(self) -> None:
        """Write what was learned. Raises SQLite's errors, and keeps it then."""
        if self.learned:
            self._sql.write(*self.learned.update(self.shadow.path("files")))
            self.learned.clear()

    def save_learned(self) -> None:
        """Write what was learned in one statement that commits by itself. Raises apsw.BusyError at once."""
        self._sql.write_unless_busy(*self.learned.update(self.shadow.path("files")))
        self.learned.clear()

    # SQL

    def _insert(self, suffix: str, columns: dict[str, SQLiteValue]) -> int:
        new = self._sql.write(statement_texts.insert(self.shadow.path(suffix), tuple(columns)), list(columns.values()))
        self.shadow.require(new != 0, "inserted")
        return new
