"""The tables in Python processes that the program starts: workers, reloaders, multiprocessing's spawn.

A forked child has the parent's modules. Any other child reads two environment variables: PYTHONPATH begins with the
folder import_first/, whose sqlite3.py Python finds before its own, and OPENAI_VTAB_RUN holds the settings as JSON.

>>> equip({"read_only": True})      # in the first process
>>> install_inherited()             # in a child, from import_first/sqlite3.py
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from . import stand_in

VARIABLE = "OPENAI_VTAB_RUN"
FOLDER = str(Path(__file__).with_name("import_first"))


def equip(settings: Mapping[str, Any]) -> None:
    """Set the environment that children inherit, and sys.path, which multiprocessing passes to them."""
    os.environ[VARIABLE] = json.dumps(settings)
    existing = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = f"{FOLDER}{os.pathsep}{existing}" if existing else FOLDER
    sys.path.insert(1, FOLDER)  # after the program's own folder, where Python also inserts PYTHONPATH


def install_inherited() -> None:
    """Let the module of the parent's settings stand for sqlite3 in this process."""
    stand_in.install(json.loads(os.environ[VARIABLE]))
