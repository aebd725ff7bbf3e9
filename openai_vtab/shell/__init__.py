"""The openai-vtab command: APSW's SQLite shell with the tables registered on every database that it opens.

    openai-vtab --sandbox                       no key and no network: a local server with demo data
    openai-vtab my.db "SELECT …" ".mode json"   runs the commands one after another and exits

https://rogerbinns.github.io/apsw/shell.html
"""

from .app import main

__all__ = ["main"]
