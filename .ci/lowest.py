"""Print pip constraints that hold every dependency of openai-vtab at the lower bound declared in setup.py.

    python .ci/lowest.py > constraints.txt      in an environment in which openai-vtab is installed

A dependency without a lower bound ends the script with an error. The extras `bench`, `docs`
and `fuzz` are not included.
"""

from __future__ import annotations

import re
from importlib.metadata import requires

lowest = {}
for requirement in requires("openai-vtab") or ():
    text, _, condition = requirement.partition(";")
    if re.search(r"\b(bench|docs|fuzz)\b", condition):
        continue
    name, bound = re.match(r"[\w.-]+", text), re.search(r">=\s*([\w.]+)", text)
    if name is None or bound is None:
        raise SystemExit(f"setup.py: {requirement!r} has no lower bound; write NAME>=VERSION")
    lowest[name[0]] = bound[1]
for name, version in sorted(lowest.items()):
    print(f"{name}=={version}")
