"""A marimo notebook: a query by mo.sql, whose frame the next cell reads."""

import marimo

app = marimo.App()


@app.cell
def _():
    import sqlite3

    import marimo as mo

    connection = sqlite3.connect(":memory:")
    return connection, mo


@app.cell
def _(connection, mo):
    stores = mo.sql("SELECT id, name FROM vector_stores ORDER BY id", engine=connection)
    return (stores,)


@app.cell
def _(mo, stores):
    mo.md(f"the names: {', '.join(stores['name'])}")


if __name__ == "__main__":
    app.run()
