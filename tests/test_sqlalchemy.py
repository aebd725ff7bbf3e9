"""The dialect sqlite+openai_vtab: Core, the ORM, reflection, URLs and pools; and pandas on top of it.

SQLAlchemy's own suite for dialects is tests/suites/dialect.
"""

from __future__ import annotations

import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import orm

import openai_vtab
from openai_vtab import dbapi
from openai_vtab import sqlalchemy as dialect_module

T = "vector_store_file_batches"


@pytest.fixture
def engine(sandbox: Any, tmp_path: Path) -> Iterator[sa.Engine]:
    made = sa.create_engine(
        f"sqlite+openai_vtab:///{tmp_path / 'my.db'}?max_concurrency=4",
        connect_args={"base_url": sandbox.base_url, "api_key": sandbox.api_key},
    )
    yield made
    made.dispose()


def batches(engine: sa.Engine) -> sa.Table:
    """The reflected table, with hidden columns."""
    hidden = [sa.Column("batch_id", sa.String), sa.Column("failed_count", sa.Integer), sa.Column("file_ids", sa.JSON)]
    return sa.Table(T, sa.MetaData(), *hidden, autoload_with=engine)


@pytest.mark.parametrize(
    ("query", "problem"),
    [
        ("max_concurency=5", "the URL has the parameter max_concurency, which is no setting; did you mean max_concurrency?"),
        ("timout=5", "the URL has the parameter timout, which is no setting; did you mean timeout?"),
        ("mode=ro", "the URL has the parameter mode, which is no setting; the settings are "),
        ("mode=ro&uri=true&max_row=5", "the URL has the parameter max_row, which is no setting; did you mean max_rows?"),
    ],
)  # fmt: skip
def test_url_with_an_unknown_parameter_is_refused(query: str, problem: str) -> None:
    """SQLAlchemy would only warn, and use the default."""
    with pytest.raises(sa.exc.ArgumentError) as caught:
        sa.create_engine(f"sqlite+openai_vtab:///my.db?{query}").connect()
    assert str(caught.value).startswith(problem)


def test_url_with_a_parameter_of_sqlites(tmp_path: Path) -> None:
    """uri=true passes it on."""
    (tmp_path / "my.db").touch()
    url = f"sqlite+openai_vtab:///file:{tmp_path / 'my.db'}?mode=ro&uri=true&max_rows=5"
    with sa.create_engine(url).connect() as connection, pytest.raises(sa.exc.OperationalError, match="readonly"):
        connection.exec_driver_sql("CREATE TABLE t (x)")


def test_dialect_is_found_by_its_name(engine: sa.Engine) -> None:
    """The entry point names the dialect, which uses openai_vtab.dbapi."""
    assert engine.dialect.dbapi is dbapi
    assert engine.driver == "openai_vtab"
    assert isinstance(engine.dialect, dialect_module.OpenAIVTabDialect)


def test_core_reads_and_joins(engine: sa.Engine, requests: Callable[[], list[str]]) -> None:
    """Bindings reach the API, also in a join to a local table."""
    table = batches(engine)
    local = sa.Table("documents", sa.MetaData(), sa.Column("title", sa.String), sa.Column("batch", sa.String))
    local.create(engine)
    requests()
    with engine.begin() as connection:
        connection.execute(
            local.insert(), [{"title": "a", "batch": "vsfb_demo_finished"}, {"title": "b", "batch": "vsfb_none"}]
        )
        on = sa.and_(table.c.batch_id == local.c.batch, table.c.vector_store_id == "vs_demo")
        query = sa.select(local.c.title, table.c.status).join_from(local, table, on, isouter=True).order_by("title")
        assert connection.execute(query).all() == [("a", "completed"), ("b", None)]
        keys = table.c.batch_id.in_(["vsfb_demo_finished", "vsfb_demo_failures"])
        found = connection.scalars(sa.select(table.c.failed_count).where(table.c.vector_store_id == "vs_demo", keys))
        assert sorted(found) == [0, 2]
    assert {request.partition(" ")[0] for request in requests()} == {"GET"}


def test_transaction_sends_writes_when_it_commits(engine: sa.Engine, requests: Callable[[], list[str]]) -> None:
    """begin() commits, and rolls back after an exception; an UPDATE cancels a batch."""
    table = batches(engine)
    new = table.insert().values(vector_store_id="vs_demo", file_ids=["file-new-01"])
    requests()
    with pytest.raises(ZeroDivisionError), engine.begin() as connection:
        connection.execute(new)
        raise ZeroDivisionError
    assert requests() == []
    with engine.begin() as connection:
        connection.execute(new)
    assert requests() == ["POST /vector_stores/vs_demo/file_batches"]
    running = (table.c.vector_store_id == "vs_demo", table.c.batch_id == "vsfb_demo_running")
    with engine.begin() as connection:
        connection.execute(table.update().where(*running).values(status="cancelled"))
    assert requests()[-1].endswith("/cancel")


def test_errors_are_sqlalchemys_around_our_own(engine: sa.Engine) -> None:
    """SQLAlchemy chooses its class by PEP 249's, and keeps our exception in `orig`."""
    table = batches(engine)
    with engine.connect() as connection:
        with pytest.raises(sa.exc.ProgrammingError, match="needs vector_store_id") as missing:
            connection.execute(sa.select(table))
        assert isinstance(missing.value.orig, openai_vtab.MissingColumnsError)
        with pytest.raises(sa.exc.IntegrityError):
            connection.execute(table.insert().values(vector_store_id="vs_demo", file_ids=[]))
        connection.rollback()
        connection.execute(table.insert().values(vector_store_id="vs_gone", file_ids=["f"]))
        with pytest.raises(sa.exc.OperationalError) as failed:
            connection.commit()
        assert isinstance(failed.value.orig, openai_vtab.APIError)


def test_orm_reads_the_table(engine: sa.Engine) -> None:
    """The class is mapped by the two keys of its table, beside a local class."""

    class Base(orm.DeclarativeBase):
        pass

    class Batch(Base):
        __tablename__ = T
        vector_store_id: orm.Mapped[str] = orm.mapped_column(primary_key=True)
        batch_id: orm.Mapped[str] = orm.mapped_column(primary_key=True)
        status: orm.Mapped[str]
        total_count: orm.Mapped[int]

    class Document(Base):
        __tablename__ = "documents"
        id: orm.Mapped[int] = orm.mapped_column(primary_key=True)
        store: orm.Mapped[str]
        batch_id: orm.Mapped[str]
        batch: orm.Mapped[Batch] = orm.relationship(
            primaryjoin="and_(foreign(Document.store) == Batch.vector_store_id, foreign(Document.batch_id) == Batch.batch_id)"
        )

    Document.__table__.create(engine)  # type: ignore[attr-defined]
    with orm.Session(engine) as session:
        session.add(Document(store="vs_demo", batch_id="vsfb_demo_failures"))
        session.commit()
        found = session.get(Batch, ("vs_demo", "vsfb_demo_failures"))
        assert found is not None
        assert (found.status, found.total_count) == ("completed", 3)
        session.expunge_all()
        document = session.scalars(sa.select(Document).options(orm.joinedload(Document.batch))).one()
        assert document.batch.status == "completed"


def test_reflection_finds_the_table(engine: sa.Engine) -> None:
    """The visible columns are reflected. The table is listed among the views, so that drop_all() leaves it alone."""
    inspector = sa.inspect(engine)
    names = ["id", "created_at", "file_counts", "object", "status", "vector_store_id"]
    assert [column["name"] for column in inspector.get_columns(T)] == names
    assert inspector.has_table(T)
    # SQLite shows an eponymous table in every schema, even in one that does not exist
    assert [inspector.has_table(T, schema=schema) for schema in ("main", "nonexistent")] == [False, False]
    assert inspector.get_table_names() == []
    assert inspector.get_view_names() == sorted(openai_vtab.sqlalchemy.API_TABLES)
    assert inspector.get_view_definition(T) == ""
    assert inspector.get_pk_constraint(T)["constrained_columns"] == []
    assert (inspector.get_foreign_keys(T), inspector.get_indexes(T), inspector.get_unique_constraints(T)) == (
        [],
        [],
        [],
    )
    with pytest.raises(sa.exc.NoSuchTableError):
        inspector.get_columns("nonsense")
    with pytest.raises(sa.exc.NoSuchTableError):
        inspector.get_pk_constraint("nonsense")
    with pytest.raises(sa.exc.NoSuchTableError):
        inspector.get_view_definition("nonsense")


def test_reflection_lists_created_tables_as_views(engine: sa.Engine) -> None:
    """Ledgers and documents tables are no ordinary tables, and their shadow tables are nowhere."""
    ledger = "CREATE VIRTUAL TABLE mine USING vector_store_file_batches"
    with engine.begin() as connection:
        connection.exec_driver_sql(ledger)
        connection.exec_driver_sql("CREATE VIRTUAL TABLE handbook USING vector_store_documents(name = 'Handbook')")
        connection.exec_driver_sql("CREATE TABLE main.files (a)")
        connection.exec_driver_sql("CREATE VIEW v AS SELECT 1 AS one")
        connection.exec_driver_sql("CREATE VIRTUAL TABLE words USING fts5(word)")
    inspector = sa.inspect(engine)
    shadows = ["words", "words_config", "words_content", "words_data", "words_docsize", "words_idx"]
    assert inspector.get_table_names() == ["files", *shadows]  # of other modules: SQLAlchemy's own list
    views = {"v", "mine", "handbook"}
    assert inspector.get_view_names() == sorted(views | openai_vtab.sqlalchemy.API_TABLES - {"files"})
    assert set(inspector.get_view_names(schema="main")) == views
    assert inspector.get_view_definition("mine") == ledger
    assert inspector.get_view_definition("v") == "CREATE VIEW v AS SELECT 1 AS one"
    reflected = sa.MetaData()
    reflected.reflect(engine, views=True)
    assert set(reflected.tables) == {"files", *shadows, *inspector.get_view_names()}


def test_create_all_and_drop_all_leave_the_tables_alone(engine: sa.Engine) -> None:
    """create() of such a table is refused, unless its schema says that an ordinary one is meant."""
    metadata = sa.MetaData()
    table = sa.Table(T, metadata, sa.Column("batch_id", sa.String, primary_key=True), sa.Column("status", sa.String))
    own = sa.Table("files", metadata, sa.Column("a", sa.Integer), schema="main")
    tables = sa.text("SELECT name FROM sqlite_schema")
    metadata.create_all(engine)
    with engine.connect() as connection:
        assert connection.scalars(tables).all() == ["files"]
    with pytest.raises(sa.exc.CompileError, match=r"would hide it; write Table\(…, schema='main'\) if you mean one"):
        table.create(engine)
    metadata.drop_all(engine)
    table.drop(engine)
    with engine.connect() as connection:
        assert connection.scalars(tables).all() == []
    own.create(engine)
    sa.Table("files", sa.MetaData()).drop(engine)
    assert sa.inspect(engine).get_table_names() == []


def test_url_sets_the_settings() -> None:
    """Each setting but the key can be in the URL, and has its type."""
    url = sa.make_url(
        "sqlite+openai_vtab:///my.db?request_timeout=2.5&allow_http=true&base_url=http://api:1/v1&timeout=9"
    )
    (database,), keywords = dialect_module.dialect().create_connect_args(url)
    assert Path(database).name == "my.db"
    assert keywords == {
        "request_timeout": 2.5,
        "allow_http": True,
        "base_url": "http://api:1/v1",
        "timeout": 9.0,
        "check_same_thread": False,
    }
    settings = {
        "request_timeout" if name == "timeout" else name for name in openai_vtab.settings.Keywords.__annotations__
    }
    assert set(dialect_module.URL_SETTINGS) == settings - {
        "api_key",
        "default_headers",
        "default_query",
        "progress",
    }  # a URL is logged, and cannot hold a function or a dict


@pytest.mark.parametrize(
    ("query", "problem"),
    [
        ("max_retries=many", "max_retries in the URL is 'many'; write a whole number"),
        ("rate_limit_wait=long", "rate_limit_wait in the URL is 'long'; write a number"),
        ("max_retries=1&max_retries=2", "max_retries is in the URL 2 times; write it once"),
        ("read_ahead=perhaps", "read_ahead in the URL is 'perhaps'; write true or false"),
    ],
)
def test_url_with_a_wrong_value_is_refused(query: str, problem: str) -> None:
    """The message names the setting and what to write."""
    with pytest.raises(sa.exc.ArgumentError, match=f"^{problem}$"):
        sa.create_engine(f"sqlite+openai_vtab://?{query}").connect()


def test_url_with_the_key_is_refused() -> None:
    """The message says where the key belongs, and does not repeat it."""
    with pytest.raises(sa.exc.ArgumentError, match="does not belong in the URL") as caught:
        sa.create_engine("sqlite+openai_vtab://?api_key=sk-in-the-url").connect()
    assert "sk-in-the-url" not in str(caught.value)


def test_pool_fits_the_database(tmp_path: Path) -> None:
    """A database in memory has a connection for each thread, a file has many."""
    memory = sa.create_engine("sqlite+openai_vtab://")
    assert isinstance(memory.pool, sa.pool.SingletonThreadPool)
    with memory.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE t (a)")
    with memory.connect() as connection:
        assert connection.exec_driver_sql("SELECT * FROM t").all() == []
    memory.dispose()
    file = sa.create_engine(f"sqlite+openai_vtab:///{tmp_path / 'my.db'}")
    assert isinstance(file.pool, sa.pool.QueuePool)
    with file.connect() as one, file.connect() as other:
        assert one.connection.dbapi_connection is not other.connection.dbapi_connection
    file.dispose()


@pytest.mark.slow
def test_pandas_names_the_tables(engine: sa.Engine, sandbox: Any, requests: Callable[[], list[str]]) -> None:
    """read_sql_table reads them, to_sql appends to them, and nothing makes a table that hides them."""
    pd = pytest.importorskip("pandas", reason="pandas is in the extra `slow`")
    assert set(pd.read_sql_table("vector_stores", engine)["id"]) >= {"vs_demo"}
    frame = pd.DataFrame({"vector_store_id": ["vs_demo"], "file_ids": ['["file-new-01"]']})
    requests()
    assert frame.to_sql(T, engine, if_exists="append", index=False) == 1
    assert requests() == ["POST /vector_stores/vs_demo/file_batches"]
    with pytest.raises(ValueError, match="already exists"):
        frame.to_sql(T, engine, index=False)
    for columns in (["vector_store_id", "file_ids"], ["id"]):
        with pytest.raises(sa.exc.CompileError, match="would hide it"):
            pd.DataFrame(columns=columns).to_sql(T, engine, if_exists="replace", index=False)
    con = dbapi.connect(str(engine.url.database), base_url=sandbox.base_url, api_key=sandbox.api_key)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "pandas only supports SQLAlchemy", UserWarning)
        for if_exists in ("append", "replace", "fail"):
            with pytest.raises(dbapi.ProgrammingError, match="would hide it"):
                frame.to_sql(T, con, if_exists=if_exists)
    con.close()
    assert requests() == []
    assert sa.inspect(engine).get_table_names() == []


@pytest.mark.slow
def test_pandas_reads_and_writes(engine: sa.Engine, sandbox: Any) -> None:
    """read_sql works with an engine and a connection, beside a table made by to_sql."""
    pd = pytest.importorskip("pandas", reason="pandas is in the extra `slow`")
    frame = pd.DataFrame({"batch": ["vsfb_demo_finished", "vsfb_demo_failures"], "weight": [1.5, 2.0]})
    assert frame.to_sql("weights", engine, index=False) == 2
    query = (
        f"SELECT batch, weight, failed_count FROM weights JOIN {T} ON batch_id = batch AND vector_store_id = 'vs_demo'"
        " ORDER BY batch"
    )
    expected = {"batch": ["vsfb_demo_failures", "vsfb_demo_finished"], "weight": [2.0, 1.5], "failed_count": [2, 0]}
    assert pd.read_sql(query, engine).to_dict("list") == expected
    con = dbapi.connect(str(engine.url.database), base_url=sandbox.base_url, api_key=sandbox.api_key)
    with warnings.catch_warnings():
        # pandas recognizes sqlite3 by its class.
        warnings.filterwarnings("ignore", "pandas only supports SQLAlchemy", UserWarning)
        assert pd.read_sql(query, con).to_dict("list") == expected
        assert frame.to_sql("more", con, index=False) == 2
    assert con.execute("SELECT sum(weight) FROM more").fetchone() == (3.5,)
    con.close()


@pytest.mark.slow
def test_pool_that_ends_after_our_exit_prints_nothing(tmp_path: Path) -> None:
    """As JupySQL's does: its exit function is registered before this package is imported, and so runs after ours."""
    program = """
import atexit, sys
held = []
atexit.register(lambda: [each.close() for each in held])
import sqlalchemy as sa
engine = sa.create_engine(f"sqlite+openai_vtab:///{sys.argv[1]}")
connection = engine.connect()
connection.exec_driver_sql("CREATE TABLE t (a)")
connection.exec_driver_sql("INSERT INTO t VALUES (1), (2)")
held += [connection.exec_driver_sql("SELECT a FROM t"), connection, engine.raw_connection()]
"""
    command = [sys.executable, "-X", "dev", "-c", program, str(tmp_path / "my.db")]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr, done.returncode) == ("", "", 0)
