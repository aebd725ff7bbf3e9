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

from .support.meeting import holding

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

    assert run(program, sandbox) < 20


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


async def cancel_under_way(task: asyncio.Task[Any], sandbox: Any, requests: int = 1) -> None:
    """Cancel the task once so many requests are in flight."""
    while sandbox.in_flight < requests:
        await asyncio.sleep(0.005)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


def test_async_cancellation_ends_the_wait_of_one_task(sandbox: Any, requests: Callable[[], list[str]]) -> None:
    """The connection is free at once, nothing more is sent, and a statement that another task reads goes on."""
    keys = ", ".join(f"'vsfb_{n}'" for n in range(20))

    async def main() -> None:
        options = {"base_url": sandbox.base_url, "api_key": sandbox.api_key, "max_concurrency": 2, "read_ahead": False}
        async with aclosing(await openai_vtab.connect_async(**options)) as db:
            numbers = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 500) SELECT i FROM n"
            other = (await db.execute(numbers)).__aiter__()
            assert await anext(other) == (1,)
            sandbox.latency = 60

            async def read() -> Any:
                select = SELECT.replace("= ?", f"IN ({keys})")
                return await (await db.execute(select)).fetchall()

            await cancel_under_way(asyncio.create_task(read()), sandbox, requests=2)
            assert await (await db.execute("SELECT 1")).get == 1
            sandbox.latency = 0
            assert [await anext(other) for _ in range(499)] == [(n,) for n in range(2, 501)]
            assert len(requests()) == 2
            assert await (await db.execute(SELECT, ("vsfb_demo_finished",))).get == "completed"

    asyncio.run(main())


@pytest.mark.parametrize(
    ("store", "later"), [("vs_demo", (1, "in_progress")), ("vs_gone", (0, None))], ids=["carried out", "refused"]
)
def test_async_cancellation_of_a_commit_is_in_the_ledger(
    sandbox: Any, store: str, later: tuple[int, str | None]
) -> None:
    """A create that was under way is unknown there until its response arrives; nothing is sent twice."""

    async def main() -> None:
        options = {"base_url": sandbox.base_url, "api_key": sandbox.api_key}
        async with aclosing(await openai_vtab.connect_async(**options)) as db:
            await db.execute(f"CREATE VIRTUAL TABLE mine USING {T}")

            async def create() -> None:
                async with db:
                    await db.execute(
                        "INSERT INTO mine (vector_store_id, file_ids) VALUES (?, '[\"file-new-01\"]')", (store,)
                    )

            ledger = "SELECT count(id), min(status) FROM mine_ledger"
            with holding(sandbox, method="POST"):
                await cancel_under_way(asyncio.create_task(create()), sandbox)
                assert await (await db.execute(ledger)).fetchall() == [(0, "unknown")]
            for _ in range(1000):
                if await (await db.execute(ledger)).fetchall() == [later]:
                    break
                await asyncio.sleep(0.005)
            assert await (await db.execute(ledger)).fetchall() == [later]
            assert [request.method for request in sandbox.requests] == ["POST"]

    asyncio.run(main())


def test_async_cancellation_of_a_commit_is_in_the_log(sandbox: Any, caplog: pytest.LogCaptureFixture) -> None:
    """The task does not see the WriteError, and no ledger has a file: the log names what may have been created."""

    async def main() -> None:
        options = {"base_url": sandbox.base_url, "api_key": sandbox.api_key, "max_concurrency": 1}
        async with aclosing(await openai_vtab.connect_async(**options)) as db:
            sandbox.latency = 60
            values = "('a.md', '#', 'assistants'), ('b.md', '#', 'assistants')"
            insert = f"INSERT INTO files (filename, content, purpose) VALUES {values}"
            await cancel_under_way(asyncio.create_task(db.execute(insert)), sandbox)
            assert await (await db.execute("SELECT 1")).get == 1
            sandbox.latency = 0

    asyncio.run(main())
    (message,) = caplog.messages
    assert "the program may not see the exception: interrupted while writing\n  not done: row 2: not sent" in message
    assert "unknown: row 1: POST /files: interrupted before the response came" in message


def test_async_deadline_ends_a_wait(sandbox: Any) -> None:
    """APSW's deadline holds for the network as for SQLite."""
    aio = pytest.importorskip("apsw.aio")

    async def main() -> None:
        async with aclosing(await openai_vtab.connect_async(base_url=sandbox.base_url, api_key=sandbox.api_key)) as db:
            with aio.contextvar_set(aio.deadline, asyncio.get_running_loop().time() + 0.05):
                query = db.execute(f"{SELECT} AND wait_seconds = 600", ("vsfb_demo_running",))
                with pytest.raises((apsw.InterruptError, TimeoutError)):
                    await query

    asyncio.run(main())
