"""FastAPI whose requests share one connection, in the threads that FastAPI runs ordinary functions in."""

import sqlite3

from fastapi import FastAPI

app = FastAPI()
connection = sqlite3.connect("my.db", check_same_thread=False, isolation_level=None)
connection.execute("CREATE TABLE IF NOT EXISTS visits (n)")


@app.get("/")
def stores() -> list[str]:
    connection.execute("INSERT INTO visits VALUES (1)")
    return [name for (name,) in connection.execute("SELECT name FROM vector_stores ORDER BY name").fetchall()]


@app.get("/visits")
def visits() -> int:
    return connection.execute("SELECT count(*) FROM visits").fetchone()[0]
