"""Alembic's autogenerate beside the tables of this package: it neither creates, compares nor drops them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

ENV = """
from alembic import context
from openai_vtab.sqlalchemy import include_object

connection = context.config.attributes["connection"]
metadata = context.config.attributes["metadata"]
context.configure(connection=connection, target_metadata=metadata, include_object=include_object(connection))
with context.begin_transaction():
    context.run_migrations()
"""


@pytest.mark.slow
def test_alembic_leaves_the_tables_alone(sandbox: Any, tmp_path: Path) -> None:
    """Of a database with a ledger, a documents table and mapped tables of the API's, only ordinary tables migrate."""
    pytest.importorskip("alembic", reason="pip install alembic")
    from alembic import command, config

    metadata = sa.MetaData()
    for name in ("vector_store_file_batches", "ledger", "handbook"):
        sa.Table(name, metadata, sa.Column("batch_id", sa.String, primary_key=True), sa.Column("status", sa.String))
    sa.Table("wanted", metadata, sa.Column("id", sa.Integer, primary_key=True))
    options = {"base_url": sandbox.base_url, "api_key": sandbox.api_key}
    engine = sa.create_engine(f"sqlite+openai_vtab:///{tmp_path / 'my.db'}", connect_args=options)
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE VIRTUAL TABLE ledger USING vector_store_file_batches")
        connection.exec_driver_sql(
            "CREATE VIRTUAL TABLE handbook USING vector_store_documents(vector_store_id = 'vs_demo')"
        )
        connection.exec_driver_sql("CREATE TABLE unwanted (id)")
    scripts = tmp_path / "scripts"
    settings = config.Config(tmp_path / "alembic.ini")
    settings.set_main_option("script_location", str(scripts))
    settings.set_main_option("path_separator", "os")
    command.init(settings, str(scripts))
    (scripts / "env.py").write_text(ENV, encoding="utf-8")
    with engine.connect() as connection:
        settings.attributes.update(connection=connection, metadata=metadata)
        command.revision(settings, "first", autogenerate=True)
        command.upgrade(settings, "head")
    (migration,) = (scripts / "versions").glob("*.py")
    text = migration.read_text(encoding="utf-8")
    upgrade = text[text.index("def upgrade") : text.index("def downgrade")]
    assert [line.strip() for line in upgrade.splitlines() if line.strip().startswith("op.")] == [
        "op.create_table('wanted',",
        "op.drop_table('unwanted')",
    ]
    with engine.connect() as connection:
        assert sa.inspect(connection).get_table_names() == ["alembic_version", "wanted"]
        found = connection.exec_driver_sql("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")
        assert set(found.scalars()) >= {"ledger", "ledger_ledger", "handbook", "handbook_files"}
    engine.dispose()
