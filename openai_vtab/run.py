"""`python -m openai_vtab.run` is the command `openai-vtab run`: a program written for sqlite3, with the tables.

    python -m openai_vtab.run datasette my.db

shell/run_command.py has its code.
"""

import sys

from .shell import run_command

if __name__ == "__main__":
    sys.exit(run_command.run(sys.argv[1:]))
