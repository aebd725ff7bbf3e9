"""The outcomes of transactions that were rolled back or interrupted, written into the shadow tables from their intents.

    the intent's step        carried out, and the response has come   the outcome is unknown
    -----------------------  ---------------------------------------  --------------------------------------------------
    store                    its id                                   the time, so that the next COMMIT looks for the
                                                                      store
    upload                   a spare file                             a spare file in the state `unknown`; of a new key,
                                                                      a document that shows it (unknown.py)
    attach, `files` ignored  the setting `ignores_files`              –
    attach, attributes,      the files are `unsure`: the next look    the same
    detach, delete           at the API tells what they are

Each row has its intent's id, or is found by its file's id: writing an outcome twice is the same as writing it once.

>>> DocumentOutcomes(store).write_outcomes(intent_log.unsettled())
3
"""

from __future__ import annotations

import logging
import weakref
from collections.abc import Sequence
from typing import Any

import apsw

from ..ledger.intents import Intent, Outcome
from ..protocol import NOTHING_CREATED
from ..sqlite.internal_sql import InternalSQL
from ..sqlite.separate_connection import separate_connection
from . import unknown
from .rows import NO_ATTRIBUTES, StoredFile
from .states import State
from .steps import Step
from .store import DocumentStore

log = logging.getLogger("openai_vtab")

# a request that changes a file leaves these states as they are: COMMIT looks at such a file, or removes it, anyway
UNTOUCHED = frozenset({State.WANTED, State.UNKNOWN, State.LEAVING})


class DocumentOutcomes:
    """The rows of one documents table, as writes/settlement.py needs them."""

    def __init__(self, store: DocumentStore) -> None:
        self.store = store

    @property
    def file(self) -> str:
        """The database file, "" when the table is in none."""
        return self.store.file

    @property
    def name(self) -> str:
        """The name of the table now."""
        return self.store.name

    @property
    def schema(self) -> str:
        """The name under which the database file was attached."""
        return self.store.shadow.schema

    def is_there(self) -> bool:
        """Return whether the shadow tables exist."""
        return self.store.is_there()

    def is_of(self, intent: Intent) -> bool:
        """Return whether an intent of this database file is one of this table."""
        return not set(intent.ledgers).isdisjoint(self.store.shadow.names)

    def lock(self) -> None:
        """Take the write lock of the database, or raise apsw.BusyError at once."""
        self.store.shadow.lock()

    # outcomes

    def write_outcomes(self, intents: Sequence[Intent]) -> int:
        """Write what transactions that were rolled back or interrupted have carried out, or may have.

        Returns the number of rows that are new or know more than before. Raises SQLite's errors.
        """
        return sum(self._write(intent, Step(intent.sent.get("step", ""))) for intent in intents if intent.may_exist)

    def _write(self, intent: Intent, step: Step) -> int:
        is_created = intent.outcome is Outcome.CREATED
        if step is Step.STORE:
            return self._store_created(intent) if is_created else self._store_unknown(intent)
        if step is Step.UPLOAD:
            return self._uploaded(intent) if is_created else self._upload_unknown(intent)
        if step is Step.ATTACH and is_created and intent.answer == NOTHING_CREATED:
            return int(self.store.learn_ignores_files())
        return sum(self._unsure(intent, step, sent) for sent in intent.sent.get("files", ()))

    def _store_created(self, intent: Intent) -> int:
        if self.store.setting("vector_store_id") is not None:
            return 0
        self.store.set("vector_store_id", (intent.answer or {}).get("id"))
        self.store.set("store_unknown", None)
        return 1

    def _store_unknown(self, intent: Intent) -> int:
        if self.store.setting("vector_store_id") is not None or self.store.setting("store_unknown") is not None:
            return 0
        self.store.set("store_unknown", intent.at)
        return 1

    def _uploaded(self, intent: Intent) -> int:
        """Add a spare file, or complete the file whose upload had an unknown outcome."""
        answer = intent.answer or {}
        file_id = answer.get("id")
        if self.store.with_file_id(str(file_id)) is not None:
            return 0
        known = {**intent.sent, **answer}
        columns: dict[str, Any] = {
            "file_id": file_id,
            "sha256": known.get("sha256"),
            "created_at": answer.get("created_at", intent.at),
        }
        file = self.store.with_intent(intent.id)
        if file is not None and file.file_id is None:
            unknown.found_as(self.store, file, **columns)
        else:
            of_sent = {name: intent.sent.get(name) for name in ("bytes", "filename")}
            is_new = file is None  # a row of the intent that has another id was found by its name and size
            self.store.add_file(
                **columns, **of_sent, state=State.UPLOADED, owned=1, intent=intent.id if is_new else None
            )
        return 1

    def _upload_unknown(self, intent: Intent) -> int:
        """Add a file in the state `unknown`. It is no document's, except of one that shows nothing else."""
        if self.store.with_intent(intent.id) is not None:
            return 0
        sent = intent.sent
        content = {name: sent.get(name) for name in ("bytes", "filename")}
        document = self.store.document(sent["key"])
        shows = None if document is None or not unknown.is_provisional(document) else document.id
        if document is None:  # without a sha256: the document has no content that was committed
            wanted = {name: sent.get(name) for name in ("key", "chunking")}
            shows = self.store.add_document(**wanted, **content, attributes=sent.get("attributes", NO_ATTRIBUTES))
        self.store.add_file(
            document=shows,
            state=State.UNKNOWN,
            owned=1,
            sha256=sent.get("sha256"),
            chunking=sent.get("chunking"),
            created_at=intent.at,
            answer=unknown.advice(self.name),
            intent=intent.id,
            **content,
        )
        return 1

    def _unsure(self, intent: Intent, step: Step, sent: dict[str, Any]) -> int:
        """Mark a file: what the API has of it is not known."""
        file = self.store.with_file_id(str(sent.get("file_id"))) or self._found(sent)
        if file is None:
            return 0
        columns: dict[str, Any] = {}
        if step is Step.ATTACH:
            columns = {"chunking": sent.get("chunking"), "attached_at": intent.at}
            columns["batch_id"] = (intent.answer or {}).get("id")
        if file.state not in UNTOUCHED:
            self.store.move(file, State.UNSURE, **columns)
        elif columns:  # it is detached before it is deleted
            self.store.change_file(file.id, **columns)
        return int(file.state not in UNTOUCHED | {State.UNSURE})

    def _found(self, sent: dict[str, Any]) -> StoredFile | None:
        """Return the file of an unknown upload that the transaction has found: its row does not know it any more."""
        file = self.store.with_intent(str(sent.get("intent")))
        if file is None or file.file_id is not None:
            return None
        unknown.found_as(self.store, file, file_id=sent["file_id"])
        return self.store.with_file_id(str(sent["file_id"]))

    # what was learned while reading

    def save(self, can_wait: bool) -> None:
        """Write what was learned, in one statement of its own, outside of a transaction; not when it can wait.

        While another connection writes, everything stays kept.
        """
        self.store.shadow.forget_old_names()
        if self.store.learned and not can_wait:
            try:
                self.store.save_learned()
            except apsw.ReadOnlyError:  # a file that cannot be written needs no memory of look-ups
                self.store.learned.clear()
            except Exception as error:  # a commit hook of the user's may raise anything
                log.debug("%s: not remembered yet: %s", self.name, error)

    def save_elsewhere(self, intents: Sequence[Intent] = ()) -> bool:
        """Write everything on a connection of its own, while the user's is closing. Returns whether that worked."""
        if not self.store.learned and not intents:
            return True
        if not self.file:
            return False
        name = self.store.shadow.names[0]
        try:
            with separate_connection(self.file) as connection:
                there = self.store.elsewhere(InternalSQL(weakref.ref(connection)))
                there.write_learned()
                DocumentOutcomes(there).write_outcomes(intents)
        except apsw.Error as error:
            log.debug("%s: not remembered: %s", name, error)
            return False
        finally:
            self.store.learned.clear()
        return True
