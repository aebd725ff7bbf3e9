"""SQLAlchemy's asynchronous engine, whose driver is aiosqlite."""

import asyncio
import json
import sys

from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine


async def main() -> None:
    engine = create_async_engine(f"sqlite+aiosqlite:///{sys.argv[1]}")
    async with engine.begin() as connection:
        await connection.execute(text("INSERT INTO vector_stores (name) VALUES ('From asyncio')"))
    async with engine.connect() as connection:
        names = (await connection.execute(text("SELECT name FROM vector_stores ORDER BY name"))).scalars().all()
    await engine.dispose()
    print(json.dumps(list(names)))


asyncio.run(main())
