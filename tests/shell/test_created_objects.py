"""What the shell says of the objects that a statement has created."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from openai_vtab.shell.created_objects import MAX_LINES, CreatedObjects

from .command import T, run_process, run_shell
from .terminal import Terminal

INSERT_FILES = """INSERT INTO files (filename, content, purpose)
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {})
SELECT i || '.md', 'text', 'assistants' FROM n;
"""


def notes(text: str) -> list[str]:
    """The notes of an interactive shell that runs the text."""
    done = run_process("-interactive", "--sandbox", text=text, environment={"TERM": "dumb"})
    assert done.returncode == 0
    found = re.findall(r"^(?:sqlite> |\.+> | )*\* (created: .*)$", done.stderr, re.MULTILINE)
    return [re.sub(r"[0-9a-f]{32}", "…", note) for note in found]


@pytest.mark.slow
def test_created_objects_are_named() -> None:
    """With the store that a batch is in. An attached file has the id that the statement gave."""
    assert notes(
        f"INSERT INTO {T} (vector_store_id, file_ids) VALUES ('vs_demo', json_array('file-new-01'));\n"
        "INSERT INTO vector_stores (name) VALUES ('new');\n"
        "INSERT INTO vector_store_files (vector_store_id, file_id) VALUES ('vs_demo', 'file-new-02');\n"
        "SELECT count(*) FROM files;\n"
    ) == ["created: vsfb_… in vs_demo", "created: vs_…"]


@pytest.mark.slow
def test_created_objects_of_documents() -> None:
    """The vector store; of the documents, only how many were sent is said."""
    assert notes(
        "CREATE VIRTUAL TABLE handbook USING vector_store_documents(name = 'Handbook');\n"
        "INSERT INTO handbook (key, content) VALUES ('a.md', 'one'), ('b.md', 'two');\n"
        "INSERT OR REPLACE INTO handbook (key, content) VALUES ('a.md', 'one'), ('b.md', 'two');\n"
    ) == ["created: vs_…"]


@pytest.mark.slow
def test_created_objects_of_a_transaction_are_named_at_its_commit() -> None:
    """Nothing is created before it, and nothing by a ROLLBACK."""
    insert = INSERT_FILES.format(1)
    assert notes(f"BEGIN;\n{insert}ROLLBACK;\nBEGIN;\n{insert}{insert}COMMIT;\n") == ["created: file-…"] * 2


def test_created_objects_beyond_a_few_are_counted() -> None:
    """The last line says how many."""
    created = CreatedObjects()
    for count in (0, MAX_LINES, MAX_LINES + 1, 1000):
        for number in range(count):
            created.add(("vs_1", f"vsfb_{number}"))
        lines = created.take()
        assert len(lines) == min(count, MAX_LINES)
        if count > MAX_LINES:
            assert lines[-2:] == [f"created: vsfb_{MAX_LINES - 2} in vs_1", f"created: {count - MAX_LINES + 1} more"]


def test_created_objects_are_not_named_in_a_script() -> None:
    """Its standard error stays empty."""
    done = run_shell("--sandbox", text=INSERT_FILES.format(2))
    assert (done.stdout, done.stderr, done.returncode) == ("", "", 0)


@pytest.mark.slow
def test_created_objects_on_a_terminal(terminal: Callable[..., Terminal]) -> None:
    """One line for each, before the prompt."""
    shell = terminal()
    assert shell.run(INSERT_FILES.format(7), "more").count("* created: file-") == MAX_LINES - 1
