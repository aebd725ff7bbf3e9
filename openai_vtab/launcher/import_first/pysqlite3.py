"""Found before any pysqlite3 in the children of `openai-vtab run`: the same module as sqlite3.

    PYTHONPATH=…/openai_vtab/launcher/import_first OPENAI_VTAB_RUN='{"read_only": true}' python -c 'import pysqlite3'

pysqlite3 is a newer build of sqlite3 with the same names.
"""

import sqlite3
import sys

sys.modules[__name__] = sqlite3
