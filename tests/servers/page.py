"""The page docs/servers.md: what each server can do, what to do instead of what it cannot, and what the tests saw.

>>> PAGE.write_text(page(runs()))
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from .run import KINDS, Result, Run

PAGE = Path(__file__).parents[2] / "docs" / "servers.md"

INTRODUCTION = """\
# Servers, as recorded

[Compatible servers](guides/compatible-servers.md) says how to connect to a server that resembles OpenAI's, and which settings help. This page says what such servers can do. `python -m tests.servers.capabilities` makes it from recordings: it runs every recorded test in tests/tables against each server. The project's `CONTRIBUTING.md` says how to record another one.

**A server** was run and recorded. **A model** is this project's sandbox with the differences that were noted when the server was tried by hand. So it shows what these differences mean for the tables.

| in the table | |
|---|---|
| yes | The requests, and the rows or the error, are as with OpenAI. |
| own | The server knows the requests, and behaves in another way than OpenAI. OpenAI's description does not demand OpenAI's way. |
| no | It does not work or has another result, the server has no such route, or it could not create the files that this needs. |
"""


def page(runs: Iterable[Run]) -> str:
    """The page of these runs: what each can do, the words about each, and what the tests saw."""
    everyone = sorted(runs, key=lambda run: (KINDS.index(run.kind), run.server))
    shown = [run for run in everyone if run.kind != "mock"]
    names = sorted({name for run in shown for name in run.results})
    rows = [("", *(run.heading for run in shown)), ("---",) * (len(shown) + 1)]
    rows += [(name, *(run.cell(name) for run in shown)) for name in names]
    table = "".join(f"| {' | '.join(cells)} |\n" for cells in rows)
    if any(run.kind == "model" for run in shown):
        table += "\nyes*: a model's yes. When the server was tried by hand, no other difference was noted.\n"
    mocks = [
        f"{run.server} is a mock, and has no column: {run.words.about} {_count(run)}.\n"
        for run in everyone
        if run.kind == "mock"
    ]
    sections = ["## The servers\n", *mocks, *map(_section, shown)]
    seen = [text for run in shown if (text := _seen(run))]
    if seen:
        sections += [
            "## What the tests saw\n",
            "The errors as the tests print them, of each no and own above.\n",
            *seen,
        ]
    return "\n".join([INTRODUCTION, "## What each can do\n", table, *sections])


def _count(run: Run) -> str:
    count = sum(result.outcome == "yes" for result in run.results.values())
    return f"{count} of {len(run.results)} tests passed"


def _section(run: Run) -> str:
    """A server: what works, what does not, what to do instead, and how to connect to it."""
    lines = [f"### {run.heading}\n"]
    if run.words.works:
        lines.append(f"**Works:** {run.words.works}\n")
    if run.words.gaps:
        rows = [f"| {gap} | {instead} |" for gap, instead in run.words.gaps.items()]
        lines += ["| does not work, or works otherwise | what to do |\n|---|---|", *rows, ""]
    origin = {
        "sandbox": f"Recorded on {run.recorded}",
        "server": f"A server, recorded on {run.recorded}",
        "model": f"A model, made on {run.recorded}, from notes of a trial by hand",
    }[run.kind]
    about = f"{run.words.about} " if run.words.about else ""
    lines.append(f"{about}{origin}: {_count(run)}. Connect with `{run.connect}`.\n")
    return "\n".join(lines)


def _seen(run: Run) -> str:
    """The reasons of each no, and the responses that are not as described. "" without any."""
    lines: list[str] = []
    reasons: dict[str, list[str]] = {}
    for name, result in sorted(run.results.items()):
        if result.outcome != "yes":
            reasons.setdefault(_cell(result), []).append(name)
    if reasons:
        rows = [f"| {'<br>'.join(names)} | {cell} |" for cell, names in reasons.items()]
        lines += ["| not as OpenAI | |\n|---|---|", *rows, ""]
    if run.differences:
        lines += ["Responses that OpenAI's description does not have:\n"]
        lines += [*(f"- {_code(text)}" for text in run.differences), ""]
    return "\n".join([f"**{run.heading}**\n", *lines]) if lines else ""


def _cell(result: Result) -> str:
    """The error, and how OpenAI behaves if the server behaves in its own way."""
    openai = f". At OpenAI, {result.openai}." if result.outcome == "own" else ""
    return f"{result.outcome}: {_code(result.error)}{openai}"


def _code(text: str) -> str:
    return f"`{text.replace('|', '¦').replace('`', chr(39))}`"
