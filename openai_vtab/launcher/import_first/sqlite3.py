"""Found before Python's own sqlite3 in the children of `openai-vtab run`: installs the module that stands for it.

    PYTHONPATH=…/openai_vtab/launcher/import_first OPENAI_VTAB_RUN='{"read_only": true}' python -c 'import sqlite3'

A child may be another Python environment, which lacks this package, or it may have got PYTHONPATH alone. It gets its
own sqlite3.
"""

import os
import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

if "OPENAI_VTAB_RUN" in os.environ and find_spec("openai_vtab") is not None:
    import_module("openai_vtab.launcher.children").install_inherited()
else:
    here = str(Path(__file__).parent)
    sys.path[:] = [folder for folder in sys.path if folder != here]
    del sys.modules[__name__]
    import_module(__name__)
