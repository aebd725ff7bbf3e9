"""aiosqlite: two connections in two tasks, and a write of the database's own."""

import asyncio
import json
import sys

import aiosqlite


async def status(batch_id: str) -> str:
    sql = "SELECT status FROM vector_store_file_batches WHERE vector_store_id = 'vs_demo' AND batch_id = ?"
    async with aiosqlite.connect(sys.argv[1]) as db, db.execute(sql, (batch_id,)) as cursor:
        row = await cursor.fetchone()
        return str(row[0]) if row else ""


async def main() -> None:
    async with aiosqlite.connect(sys.argv[1]) as db:
        await db.execute("CREATE TABLE notes (text)")
        await db.execute("INSERT INTO notes VALUES ('local')")
        await db.commit()
    found = await asyncio.gather(status("vsfb_demo_finished"), status("vsfb_demo_running"))
    print(json.dumps(found))


asyncio.run(main())
