"""How results are shown: Markdown on stdout, and on stderr what is being measured.

>>> markdown(["work", "seconds"], [["join", "0.61"]])
'| work | seconds |\\n| --- | --- |\\n| join | 0.61 |'
"""

from __future__ import annotations

import sys
from collections.abc import Sequence


def markdown(heads: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """A table, or nothing when it has no lines."""
    if not lines:
        return ""
    rows = [heads, ["---"] * len(heads), *([cell.replace("|", "\\|") for cell in line] for line in lines)]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def tell(title: str) -> None:
    """Say what is being measured."""
    print(title, file=sys.stderr, flush=True)
