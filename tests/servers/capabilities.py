"""What each server can do, as recorded: runs of tests/tables in runs/, and the page docs/servers.md made from them.

python -m tests.servers.capabilities                        # record the sandbox and the models again, then the page
python -m tests.servers.capabilities --page                 # only the page
OPENAI_BASE_URL=… OPENAI_API_KEY=… python -m tests.servers.capabilities --server 'NAME 1.2' --gaps 'No batches.'
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import requests as http

from openai_vtab import sandbox
from openai_vtab.settings import DEFAULT_BASE_URL

from ..support.cassettes import Secrets
from ..support.recording import FILES, STORE, Target
from .models import MODELS
from .models.model import served

ROOT = Path(__file__).parents[2]
RUNS = Path(__file__).parent / "runs"
PAGE = ROOT / "docs" / "servers.md"
KINDS = ("sandbox", "server", "model")
RANDOM_ID = re.compile(r"\b((?:vs|file|vsfb|batch|req)[-_])(?:[0-9a-f]{8,}|[0-9A-Za-z]{20,})[\w-]*")
MOST = 200  # characters of an error
ON_SETUP = 'failed on setup with "'  # pytest's words, before an error and a quote
OUTCOMES = ("yes", "own", "no")  # from the best
# Errors of tests that have not reached what they are to show: an object is missing (Place.real), or the route is. A
# message of "Not Found" alone is what frameworks say of an unknown route (protocol/not_found.py).
NOT_REACHED = re.compile(
    rf"\b(?:{'|'.join((STORE, *FILES))}) could not be created: |; there is no such route: | in 'Not Found'$"
)

INTRODUCTION = """\
# Servers, as recorded

[Compatible servers](guides/compatible-servers.md) says how to connect to a server that resembles OpenAI's, and which settings help. This page says what such servers can do. `python -m tests.servers.capabilities` makes it from recordings: it runs every recorded test in tests/tables against each server. The project's `CONTRIBUTING.md` says how to record another one.

| in the table | |
|---|---|
| yes | The requests, and the rows or the error, are as with OpenAI. |
| own | The server knows the requests, and behaves in another way than OpenAI. OpenAI's description does not demand OpenAI's way. |
| no | It does not work or has another result, the server has no such route, or it could not create the files that this needs. |
"""


@dataclass(frozen=True)
class Result:
    """What a recording has shown of one capability."""

    error: str = ""  # "" if the test has passed
    openai: str = ""  # how OpenAI behaves, if the test is of OpenAI's own behaviour and has failed

    @property
    def outcome(self) -> str:
        """One of OUTCOMES. It is "own" only if the server got as far as behaving in its own way."""
        if not self.error:
            return "yes"
        return "own" if self.openai and not NOT_REACHED.search(self.error) else "no"


@dataclass(frozen=True)
class Run:
    """A recording from a server."""

    server: str
    kind: str  # "sandbox", "server" or "model"
    recorded: str  # the day
    connect: str
    gaps: str
    results: dict[str, Result]
    differences: list[str]  # of its answers from OpenAI's description

    @classmethod
    def read(cls, path: Path) -> Run:
        """The run in a file."""
        found = json.loads(path.read_text(encoding="utf-8"))
        return cls(**{**found, "results": {name: Result(**each) for name, each in found["results"].items()}})

    def write(self, folder: Path) -> None:
        """Write the run into its file."""
        name = re.sub(r"\W+", "-", self.server.lower()).strip("-")
        text = json.dumps(asdict(self), indent=1, ensure_ascii=False)
        (folder / f"{name}.json").write_text(f"{text}\n", encoding="utf-8")


def record(target: Target) -> tuple[dict[str, Result], list[str]]:
    """Record the tests of the tables from a server, into a folder of no consequence; what each capability has shown."""
    secrets = target.secrets
    http.get(f"{target.base_url}/files", timeout=60)  # raises an error if there is no server
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        cassettes = shutil.copytree(ROOT / "cassettes", Path(folder) / "cassettes")
        command = [sys.executable, "-m", "pytest", "tests/tables", "-vv", "-m", "vcr", "-p", "no:cacheprovider"]
        environment = {"OPENAI_BASE_URL": target.base_url, "OPENAI_API_KEY": target.api_key}
        done = subprocess.run(
            [*command, "--record-mode=rewrite", f"--cassettes={cassettes}", f"--junitxml={report}"],
            cwd=ROOT,
            env={**os.environ, **environment, "OPENAI_CUSTOM_HEADERS": target.headers},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode not in (0, 1):
            raise RuntimeError(done.stdout + done.stderr)
        root = ElementTree.parse(report).getroot()  # noqa: S314 - our own
        return results(root, secrets)


def results(report: ElementTree.Element, secrets: Secrets) -> tuple[dict[str, Result], list[str]]:
    """The worst result of each capability in a report of pytest's, and the differences from OpenAI's description."""
    found: dict[str, Result] = {}
    differences: set[str] = set()
    for case in report.iter("testcase"):
        for each in case.iter("property"):
            name, value = each.get("name"), each.get("value", "")
            if name == "difference":
                differences.add(shortened(value, secrets))
            elif name == "capability":
                both = (found.get(value, Result()), _result(case, secrets))
                found[value] = max(both, key=lambda result: OUTCOMES.index(result.outcome))
    return dict(sorted(found.items())), sorted(differences)


def _result(case: ElementTree.Element, secrets: Secrets) -> Result:
    for problem in case:
        if problem.tag == "skipped":
            error = next(each.get("value", "") for each in case.iter("property") if each.get("name") == "failure")
            openai = problem.get("message", "").removeprefix("OpenAI's own behaviour: ")
            is_reached = not (error.startswith(ON_SETUP) or NOT_REACHED.search(error))
            return Result(shortened(error, secrets), openai if is_reached else "")
        if problem.tag in ("failure", "error"):
            return Result(shortened(problem.get("message", ""), secrets))
    return Result()


def shortened(message: str, secrets: Secrets) -> str:
    """The beginning of an error, without ids and addresses."""
    if message.startswith(ON_SETUP):
        message = message.removeprefix(ON_SETUP).removesuffix('"')
    text = RANDOM_ID.sub(r"\1…", secrets.hidden(message)).partition("\n")[0]
    text = re.sub(rf"(?<=[A-Z] ){re.escape(DEFAULT_BASE_URL)}", "", text).replace(DEFAULT_BASE_URL, "its address")
    text = re.sub(r"^(?:\w+\.)*(\w+): ", "", text)
    text = re.sub(r"^assert (.*) == (.*)$", r"\1 instead of \2", text)
    text = text or "an error without a text"
    return text if len(text) <= MOST else f"{text[: MOST - 1]}…"


def page(runs: Iterable[Run]) -> str:
    """The page of these runs: what each can do, and a section for each."""
    runs = sorted(runs, key=lambda run: (KINDS.index(run.kind), run.server))
    names = sorted({name for run in runs for name in run.results})
    rows = [("", *(_heading(run) for run in runs)), ("---",) * (len(runs) + 1)]
    rows += [(name, *(run.results[name].outcome if name in run.results else "–" for run in runs)) for name in names]
    table = "".join(f"| {' | '.join(cells)} |\n" for cells in rows)
    return "\n".join([INTRODUCTION, "## What each can do\n", table, "## The servers\n", _kinds(), *map(_section, runs)])


def _kinds() -> str:
    return (
        "**A server** was run and recorded. **A model** was not: it is this project's sandbox with the differences that "
        "were noted when the server was tried by hand. So it shows what these differences mean for the tables, and a "
        "yes says only that no other difference was noted.\n"
    )


def _heading(run: Run) -> str:
    return f"{run.server} (model)" if run.kind == "model" else run.server


def _section(run: Run) -> str:
    """A server: how to point at it, its gaps, and the reasons of each no."""
    recorded = {"sandbox": "The sandbox of this project", "server": "A server", "model": "A model"}[run.kind]
    count = sum(result.outcome == "yes" for result in run.results.values())
    lines = [
        f"### {_heading(run)}\n",
        f"{recorded}, recorded on {run.recorded}: {count} of {len(run.results)}. Connect with `{run.connect}`.\n",
    ]
    if run.gaps:
        lines.append(f"{run.gaps}\n")
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
    return "\n".join(lines)


def _cell(result: Result) -> str:
    """The error, and how OpenAI behaves if the server behaves in its own way."""
    openai = f". At OpenAI, {result.openai}." if result.outcome == "own" else ""
    return f"{result.outcome}: {_code(result.error)}{openai}"


def _code(text: str) -> str:
    return f"`{text.replace('|', '¦').replace('`', chr(39))}`"


def runs() -> list[Run]:
    """The committed runs."""
    return [Run.read(path) for path in sorted(RUNS.glob("*.json"))]


def today() -> str:
    return datetime.now(UTC).date().isoformat()


def ours() -> Iterable[Run]:
    """Record the sandbox and each model."""
    with sandbox.run(processing_seconds=1.0, seeded=False) as running:
        found = record(Target(running.base_url, running.api_key))
        connect = "openai-vtab --sandbox"
        yield Run("Sandbox", "sandbox", today(), connect, "", *found)
    for model in MODELS:
        with served(model) as running:
            found = record(Target(running.base_url, running.api_key))
        yield Run(model.name, "model", today(), model.connect, model.seen, *found)


def main(arguments: list[str], environ: Mapping[str, str]) -> None:
    """Record what the arguments say, and write the page."""
    parser = argparse.ArgumentParser(prog="python -m tests.servers.capabilities", description=__doc__)
    parser.add_argument("--page", action="store_true", help="write only the page")
    parser.add_argument("--server", metavar="NAME", help="record the server at OPENAI_BASE_URL under this name")
    parser.add_argument("--connect", default="", help="what to write to connect to it, for the page")
    parser.add_argument("--gaps", default="", help="sentences about its known gaps, for the page")
    options: Any = parser.parse_args(arguments)
    if options.server:
        target = Target.of(environ)
        try:
            _ = target.secrets
        except ValueError as error:
            parser.error(str(error))
        connect = options.connect or f'base_url="{target.base_url}"'
        Run(options.server, "server", today(), connect, options.gaps, *record(target)).write(RUNS)
    elif not options.page:
        for run in ours():
            run.write(RUNS)
    PAGE.write_text(page(runs()), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:], os.environ)
