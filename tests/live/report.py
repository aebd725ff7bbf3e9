"""What a run has found: the table of differences, and the file with everything that was sent and received.

>>> print(differences(findings, forms))
| question | expected | seen | where to fix |
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from .forms import Form
from .question import Finding, Question

HEADS = ("question", "expected", "seen", "where to fix")


def summary(findings: Sequence[Finding], forms: Sequence[Form], asked: int) -> str:
    """The tables, and a line of counts at the end."""
    differing = [finding for finding in findings if finding.differs]
    unanswered = [(finding.question.text, finding.reason) for finding in findings if finding.reason]
    rows = [
        (f.question.text, f"{shown(f.question.expected)} ({f.question.source})", shown(f.seen), f.question.fix_in)
        for f in differing
    ]
    rows += [
        (f"Is the response to {form.operation} as known?", form.expected, form.seen, form.fix_in) for form in forms
    ]
    parts = [table(HEADS, rows)] if rows else []
    parts += [table(("question without an answer", "why"), unanswered)] if unanswered else []
    expected = sum(not finding.differs and not finding.reason for finding in findings)
    parts.append(
        f"{expected} of {asked} questions answered as expected, {len(rows)} {'difference' if len(rows) == 1 else 'differences'}, {len(unanswered)} without an "
        f"answer, {asked - len(findings)} not asked"
    )
    return "\n\n".join(parts)


def questions(every: Iterable[Question]) -> str:
    """The table of all questions."""
    rows = [(q.text, q.done, shown(q.expected), q.source, q.fix_in) for q in every]
    return table(("question", "what is done", "expected", "by which source", "where to fix"), rows)


def shown(value: Any) -> str:
    """A value in one line."""
    return value if isinstance(value, str) and value else json.dumps(value, ensure_ascii=False)


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table in Markdown."""
    cells = [
        list(heads),
        ["---"] * len(heads),
        *([cell.replace("|", "\\|").replace("\n", " ") for cell in row] for row in rows),
    ]
    return "\n".join(f"| {' | '.join(row)} |" for row in cells)


def write(path: Path, base_url: str, findings: Iterable[Finding], forms: Iterable[Form], records: Any) -> None:
    """Write the findings and the exchange as JSON."""
    found = [
        {
            "question": finding.question.text,
            "expected": finding.question.expected,
            "source": finding.question.source,
            "seen": finding.seen,
            "reason": finding.reason,
            "fix_in": finding.question.fix_in,
        }
        for finding in findings
    ]
    whole = {"base_url": base_url, "findings": found, "forms": [asdict(form) for form in forms], "exchange": records}
    path.write_text(json.dumps(whole, indent=1, ensure_ascii=False), encoding="utf-8")
