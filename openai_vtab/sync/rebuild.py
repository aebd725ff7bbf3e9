"""A lost ledger, made again from the vector store: files of the folder that are in it are not uploaded again.

>>> table, lines = rebuild(db, StoreTable(db, name="Handbook"), folder)
>>> lines
['rebuilt from vs_…: 28 files are in the folder with the same name and size, 1 with another size']
"""

from __future__ import annotations
