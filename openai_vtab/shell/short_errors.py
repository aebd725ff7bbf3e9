"""Errors in the shell's words: shorter than in an exception, and with the shell's options in place of keywords.

>>> in_the_shell(WriteError("2 of 3 rows were not written: …", done=[…], not_done=[…], unknown=[]))
'2 of 3 rows were not written: …\\n  done: file-1\\n  not done: 2 rows'
"""

from __future__ import annotations

from collections import Counter

from ..errors import TITLES, ConfigurationError, Error, WriteError

NO_KEY = (
    "no API key: set OPENAI_API_KEY, and start the shell again.\n"
    "Without a key, openai-vtab --sandbox has demo data, and\n"
    "openai-vtab --dry-run shows what would be sent."
)
KEYWORD, OPTION = "set allow_unbounded_writes", "start the shell with --allow-unbounded-writes"
MAX_IDS = 3  # of a list of a WriteError


def in_the_shell(error: Error) -> str:
    """The text of the error that the shell shows."""
    if isinstance(error, ConfigurationError) and "no API key" in str(error):
        return NO_KEY
    if isinstance(error, WriteError):
        return _short(error)
    return str(error).replace(KEYWORD, OPTION)


def _short(error: WriteError) -> str:
    """The problem, and one line for each list of the error: ids, or the number of rows and their commonest reason."""
    problem, *lists = str(error).split("\n")
    if not lists:
        return problem
    lines = [problem]
    for title, rows in zip(TITLES, (error.done, error.not_done, error.unknown), strict=True):
        count = len(rows)
        texts = Counter(text for _, text in rows)
        if not rows:
            continue
        if rows is error.done:
            shown = [id for _, id in rows[:MAX_IDS]]
            more = f" and {count - MAX_IDS:,} more" if count > MAX_IDS else ""
            lines.append(f"  {title}: {', '.join(shown)}{more}")
            continue
        reason, often = texts.most_common(1)[0]
        others = f"; {len(texts) - 1} other reasons" if len(texts) > 2 else "; 1 other reason" if len(texts) > 1 else ""
        what = "" if reason in problem else f", {often:,} of them: {reason}" if others else f": {reason}"
        lines.append(f"  {title}: {count:,} row{'' if count == 1 else 's'}{what}{others}")
    lines.append("  .requests shows each request")
    return "\n".join(lines)
