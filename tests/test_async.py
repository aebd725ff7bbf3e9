"""asyncio: APSW's async connections with the tables; queries run while another one waits for the network."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from typing import Any

import apsw
import pytest

import openai_vtab

T = "vector_store_file_batches"
SELECT = f"SELECT status FROM {T} WHERE vector_store_id = 'vs_demo' AND batch_id = ?"

pytestmark = pytest.mark.skipif(not hasattr(apsw.Connection, "as_async"), reason="this APSW has no async mode")


def run(program: Callable[[Any, Any], Awaitable[Any]], sandbox: Any) -> Any:
    """Run a program on two async connections."""

    async def connect() -> Any:
        db: Any = await apsw.Connection.as_async(":memory:")
        await db.async_run(openai_vtab.register, db, base_url=sandbox.base_url, api_key=sandbox.api_key)
        return db

    async def main() -> Any:
        async with aclosing(await connect()) as db, aclosing(await connect()) as other:
            return await program(db, other)

    return asyncio.run(main())


def test_async_queries_and_joins(sandbox: Any, requests: Callable[[], list[str]]) -> None:
    """Rows are read by await and by async for."""

    async def program(db: Any, _: Any) -> Any:
        assert await (await db.execute(SELECT, ("vsfb_demo_finished",))).get == "completed"
        await db.execute('CREATE TABLE mine AS SELECT value AS id FROM json_each(\'["vsfb_demo_finished", "vsfb_x"]\')')
        join = f"SELECT mine.id, status FROM mine LEFT JOIN {T} AS b ON b.batch_id = mine.id AND vector_store_id = 'vs_demo'"
        return [row async for row in await db.execute(join)]

    assert run(program, sandbox) == [("vsfb_demo_finished", "completed"), ("vsfb_x", None)]
    assert len(requests()) == 3


def test_async_queries_run_while_another_waits(sandbox: Any) -> None:
    """Each connection has a thread of its own, and the event loop is not blocked."""

    async def program(db: Any, other: Any) -> list[str]:
        seen: list[str] = []

        async def read(db: Any, sql: str, batch: str) -> None:
            seen.append(f"{batch}: {await (await db.execute(sql, (batch,))).get}")

        task = asyncio.create_task(read(db, f"{SELECT} AND wait_seconds = 30", "vsfb_demo_running"))
        while not sandbox.requests:
            await asyncio.sleep(0.01)
        for batch in ("vsfb_demo_finished", "vsfb_demo_failures"):
            await read(other, SELECT, batch)
        sandbox.finish()
        await task
        return seen

    assert run(program, sandbox) == [
        "vsfb_demo_finished: completed",
        "vsfb_demo_failures: completed",
        "vsfb_demo_running: completed",
    ]


def test_async_transaction_sends_writes_when_it_commits(sandbox: Any, requests: Callable[[], list[str]]) -> None:
    """It sends nothing when it rolls back; a failing COMMIT raises our exception."""
    insert = f"INSERT INTO {T} (vector_store_id, file_ids) VALUES (?, '[\"file-new-01\"]')"

    async def program(db: Any, _: Any) -> None:
        async with db:
            await db.execute(insert, ("vs_demo",))
            assert requests() == []
        assert requests() == ["POST /vector_stores/vs_demo/file_batches"]
        with pytest.raises(ZeroDivisionError):
            async with db:
                await db.execute(insert, ("vs_demo",))
                raise ZeroDivisionError
        assert requests() == []
        with pytest.raises(openai_vtab.APIError):
            await db.execute(insert, ("vs_gone",))

    run(program, sandbox)


def test_async_interrupt_cancels_a_wait(sandbox: Any) -> None:
    """A cancelled task ends at once; interrupt() ends its wait for the network."""

    async def program(db: Any, _: Any) -> float:
        begin = time.monotonic()
        query = db.execute(f"{SELECT} AND wait_seconds = 30", ("vsfb_demo_running",))
        with pytest.raises((TimeoutError, asyncio.TimeoutError)):
            await asyncio.wait_for(query, 0.1)
        db.interrupt()
        assert await (await db.execute(SELECT, ("vsfb_demo_finished",))).get == "completed"
        return time.monotonic() - begin

    assert run(program, sandbox) < 5


def test_async_execute_knows_the_tables(sandbox: Any) -> None:
    """Scripts that drop and create, advice, and refusals are those of connect()."""

    async def main() -> None:
        address = {"base_url": sandbox.base_url, "api_key": sandbox.api_key}
        async with aclosing(await openai_vtab.connect_async(**address)) as db:
            script = "DROP TABLE IF EXISTS files; CREATE TABLE t (a); SELECT 1; SELECT ?"
            assert await (await db.execute(script.replace("?", "2"))).fetchall() == [(1,), (2,)]
            assert [row async for row in await db.execute("SELECT ?", (3,))] == [(3,)]
            with pytest.raises(apsw.SQLError, match=r"no such column: creatd_at; did you mean created_at\?"):
                await db.execute("SELECT creatd_at FROM files")
            with pytest.raises(openai_vtab.ProgrammingError, match="would hide it"):
                await db.execute("CREATE TABLE vector_stores (name)")
            assert await db.async_run(lambda: db.execute("SELECT 4").get) == 4

    asyncio.run(main())
