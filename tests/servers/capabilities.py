"""What each server can do, as recorded: runs of tests/tables in runs/, and the page docs/servers.md made from them.

python -m tests.servers.capabilities                        # record the sandbox and the models again, then the page
python -m tests.servers.capabilities --page                 # only the page
OPENAI_BASE_URL=… OPENAI_API_KEY=… python -m tests.servers.capabilities --server 'NAME 1.2'

The page's words about a server are in its file in runs/: about, works, gaps (what does not work: what to do). A new
recording keeps them. Those about a model are in models/.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import requests as http

from openai_vtab import sandbox
from openai_vtab.settings import DEFAULT_BASE_URL

from ..support.cassettes import Secrets
from ..support.recording import Target
from .models import MODELS
from .models.model import served
from .page import PAGE, page
from .run import NOT_REACHED, OUTCOMES, RUNS, Result, Run, Words, file_of, runs

ROOT = Path(__file__).parents[2]
RANDOM_ID = re.compile(r"\b((?:vs|file|vsfb|batch|req)[-_])(?:[0-9a-f]{8,}|[0-9A-Za-z]{20,})[\w-]*")
MOST = 200  # characters of an error
ON_SETUP = 'failed on setup with "'  # pytest's words, before an error and a quote


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


def today() -> str:
    return datetime.now(UTC).date().isoformat()


def ours() -> Iterable[Run]:
    """Record the sandbox and each model."""
    with sandbox.run(processing_seconds=1.0, seeded=False) as running:
        found = record(Target(running.base_url, running.api_key))
        words = Words("The sandbox of this project.", "Everything.", {})
        yield Run("Sandbox", "sandbox", today(), "openai-vtab --sandbox", words, *found)
    for model in MODELS:
        with served(model) as running:
            found = record(Target(running.base_url, running.api_key))
        yield Run(model.name, "model", today(), model.connect, model.words, *found)


def main(arguments: list[str], environ: Mapping[str, str]) -> None:
    """Record what the arguments say, and write the page."""
    parser = argparse.ArgumentParser(prog="python -m tests.servers.capabilities", description=__doc__)
    parser.add_argument("--page", action="store_true", help="write only the page")
    parser.add_argument("--server", metavar="NAME", help="record the server at OPENAI_BASE_URL under this name")
    parser.add_argument("--connect", default="", help="what to write to connect to it, for the page")
    options: Any = parser.parse_args(arguments)
    if options.server:
        target = Target.of(environ)
        try:
            _ = target.secrets
        except ValueError as error:
            parser.error(str(error))
        path = file_of(options.server, RUNS)
        former = Run.read(path) if path.exists() else None
        connect = options.connect or (former.connect if former else f'base_url="{target.base_url}"')
        kind, words = (former.kind, former.words) if former else ("server", Words())
        Run(options.server, kind, today(), connect, words, *record(target)).write(RUNS)
    elif not options.page:
        for run in ours():
            run.write(RUNS)
    PAGE.write_text(page(runs()), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:], os.environ)
