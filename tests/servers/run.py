"""A recording from a server: what it has shown of each capability, and the page's words about the server.

>>> Run.read(RUNS / "sandbox.json").results["files: download"].outcome
'yes'
"""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass, field
from pathlib import Path

from ..support.recording import FILES, STORE

RUNS = Path(__file__).parent / "runs"
KINDS = ("sandbox", "server", "model", "mock")
OUTCOMES = ("yes", "own", "no")  # from the best
# Errors of tests that have not reached what they are to show: an object is missing (Place.real), or the route is. A
# message of "Not Found" alone is what frameworks say of an unknown route (protocol/not_found.py).
NOT_REACHED = re.compile(
    rf"\b(?:{'|'.join((STORE, *FILES))}) could not be created: |; there is no such route: | in 'Not Found'$"
)


@dataclass(frozen=True)
class Words:
    """What the page says of a server: what it is, what works, and what does not, with what to do instead."""

    about: str = ""
    works: str = ""
    gaps: dict[str, str] = field(default_factory=dict)


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
    kind: str  # one of KINDS
    recorded: str  # the day
    connect: str
    words: Words
    results: dict[str, Result]
    differences: list[str]  # of its answers from OpenAI's description

    @classmethod
    def read(cls, path: Path) -> Run:
        """The run in a file."""
        found = json.loads(path.read_text(encoding="utf-8"))
        results = {name: Result(**each) for name, each in found["results"].items()}
        return cls(**{**found, "words": Words(**found["words"]), "results": results})

    def write(self, folder: Path) -> None:
        """Write the run into its file."""
        text = json.dumps(asdict(self), indent=1, ensure_ascii=False)
        file_of(self.server, folder).write_text(f"{text}\n", encoding="utf-8")

    @property
    def heading(self) -> str:
        return f"{self.server} (model)" if self.kind == "model" else self.server

    def cell(self, name: str) -> str:
        """What the table says of a capability."""
        outcome = self.results[name].outcome if name in self.results else "–"
        return f"{outcome}*" if self.kind == "model" and outcome == "yes" else outcome


def file_of(server: str, folder: Path) -> Path:
    """The file of a server's run."""
    name = re.sub(r"\W+", "-", server.lower()).strip("-")
    return folder / f"{name}.json"


def runs() -> list[Run]:
    """The committed runs."""
    return [Run.read(path) for path in sorted(RUNS.glob("*.json"))]
