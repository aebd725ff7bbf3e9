"""Libraries over sqlite3, in the small programs of the folder programs/."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from .conftest import Tools

pytestmark = pytest.mark.slow

NAMES = ["Old handbooks", "Product handbook"]


def test_harlequin_adapter_queries(tools: Tools, writes: Callable[[], list[str]]) -> None:
    """Rows, the text of an error, and its own tables."""
    found = tools.program("harlequin_adapter", needs="harlequin")
    assert found["columns"] == ["id", "name"]
    assert found["rows"] == [["vs_archive", "Old handbooks"], ["vs_demo", "Product handbook"]]
    assert found["tables"] == ["notes"]
    assert "this connection is read_only" in found["error"]
    assert writes() == []


def test_django_migrates_and_reads_by_models(tools: Tools, writes: Callable[[], list[str]]) -> None:
    """Its own tables are in the file; raw SQL and an unmanaged model read the API's."""
    found = tools.program("django_site", needs="django")
    assert found == {
        "tables": True,
        "users": ["ada"],
        "raw": ["completed"],
        "count": 2,
        "names": NAMES,
        "one": "Product handbook",
    }
    assert writes() == []


def test_peewee_reads_and_creates_by_models(tools: Tools, writes: Callable[[], list[str]]) -> None:
    """A model of an API table, and one of the file's own."""
    found = tools.program("peewee_models", "--allow-writes", needs="peewee")
    assert found == {"names": ["From peewee", *NAMES], "one": "Product handbook", "notes": 1}
    assert writes() == ["POST /vector_stores"]


def test_sqlite_utils_finds_tables_that_are_in_the_file(tools: Tools, writes: Callable[[], list[str]]) -> None:
    """It looks in sqlite_master. Before, it finds nothing."""
    assert tools.program("sqlite_utils_tables", "--allow-writes", needs="sqlite-utils") == {
        "before": {"exists": False, "rows": []},
        "exists": True,
        "names": ["From sqlite-utils", "Product handbook"],
        "count": 3,
        "tables": ["vector_stores"],
    }
    assert writes() == ["POST /vector_stores"]


def test_dataset_finds_tables_that_are_in_the_file(tools: Tools, writes: Callable[[], list[str]]) -> None:
    """The same, with SQLAlchemy's own dialect."""
    found = tools.program("dataset_tables", "--allow-writes", needs="dataset")
    assert found == ["From dataset", "Product handbook"]
    assert writes() == ["POST /vector_stores"]


def test_ibis_reads_tables_and_queries(tools: Tools) -> None:
    """An API table by its name, and an expression over a query."""
    found = tools.program("ibis_tables", needs="ibis")
    numbers = {"completed": 4, "failed": 2, "in_progress": 2}
    assert found == {"stores": 2, "counted": [{"status": key, "number": value} for key, value in numbers.items()]}


def test_aiosqlite_queries_in_tasks(tools: Tools) -> None:
    """Each connection has its own thread."""
    assert tools.program("aiosqlite_tasks", needs="aiosqlite") == ["completed", "in_progress"]


def test_sqlalchemy_asynchronous_engine(tools: Tools, writes: Callable[[], list[str]]) -> None:
    """begin() commits once, in one request."""
    assert tools.program("async_engine", "--allow-writes", needs="sqlalchemy") == ["From asyncio", *NAMES]
    assert writes() == ["POST /vector_stores"]


def test_pandas_reads_and_writes_frames(tools: Tools) -> None:
    """Without the warning about connections of other modules, which would be an error in the program."""
    sizes = [{"id": "vs_archive", "usage_bytes": 118}, {"id": "vs_demo", "usage_bytes": 325}]
    assert tools.program("pandas_frames", needs="pandas") == sizes


def test_polars_reads_a_frame(tools: Tools) -> None:
    """The column types are those of the values."""
    assert tools.program("polars_frames", needs="polars") == {
        "columns": ["id", "name", "usage_bytes"],
        "types": ["String", "String", "Int64"],
        "rows": [["vs_archive", "Old handbooks", 118], ["vs_demo", "Product handbook", 325]],
    }


def test_sqlmodel_reads_by_a_session(tools: Tools) -> None:
    """select() of a model, all and by the key."""
    assert tools.program("sqlmodel_session", needs="sqlmodel") == {"names": NAMES, "one": "Product handbook"}
