"""The day a key is there: asks OpenAI's API every open question about it, and prints where it differs.

    OPENAI_API_KEY=… python -m tests.live --budget 0.10
    python -m tests.live --questions                       the list of questions, with what is expected; sends nothing
    OPENAI_API_KEY=… python -m tests.live --clean-up       delete what runs that were killed have left

It creates a few vector stores and small files, and deletes them at the end, also after Ctrl-C. The exit status is
0 if every answer is as expected, 1 if some differ or some questions have no answer, and 2 if the run has stopped early
or something may be left.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
import traceback
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import openai_vtab
from openai_vtab.settings import DEFAULT_BASE_URL, Settings

from . import report
from .clean_up import clean_up, clean_up_earlier
from .forms import forms
from .ledger import Ledger
from .prices import PRICES, Budget, BudgetExceeded, needed, total
from .question import Finding, Question
from .questions import QUESTIONS
from .recording_client import SECONDS, RecordingClient
from .relay import NO_KEY, relay
from .runner import run
from .world import Stopped, World

# The relay waits less long for a response, so that the package never gives up a request that is still in flight.
SETTINGS: dict[str, Any] = {"api_key": NO_KEY, "timeout": 2 * SECONDS, "max_retries": 1, "rate_limit_wait": SECONDS}
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def main() -> int:
    """Read the command line, ask for permission, run, clean up, and report."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.live", description="Ask OpenAI's API every open question about it."
    )
    parser.add_argument("--budget", type=float, metavar="DOLLARS", help="what the run may cost at most, such as 0.10")
    parser.add_argument("--base-url", metavar="URL", help=f"default: OPENAI_BASE_URL, or {DEFAULT_BASE_URL}")
    parser.add_argument(
        "--records",
        type=Path,
        default=Path("live-records"),
        metavar="DIR",
        help="for ledgers and exchanges (default: %(default)s)",
    )
    parser.add_argument("--yes", action="store_true", help="begin without asking")
    parser.add_argument("--questions", action="store_true", help="print the questions, and send nothing")
    parser.add_argument("--clean-up", action="store_true", help="delete what earlier runs have left, and nothing else")
    asked = parser.parse_args()
    if asked.questions:
        print(report.questions(QUESTIONS))
        return 0
    key = os.environ.get("OPENAI_API_KEY", "")
    if not key:
        parser.error("there is no key: set OPENAI_API_KEY")
    given = asked.base_url or os.environ.get("OPENAI_BASE_URL")
    try:
        base_url = Settings(base_url=given, api_key=key).checked_base_url()
    except openai_vtab.Error as error:
        parser.error(str(error))
    if asked.clean_up:
        left = list(clean_up_earlier(asked.records, base_url, key))
        print("\n".join(["left:", *left]) if left else "nothing is left")
        return 2 if left else 0
    if asked.budget is None:
        parser.error("give --budget, such as --budget 0.10: the dollars that the run may cost at most")
    try:
        budget = Budget(asked.budget)
    except ValueError as error:
        parser.error(str(error))
    cost = total(question.cost for question in QUESTIONS)
    if cost.dollars > budget.dollars:
        parser.error(
            f"the run may cost up to ${cost.dollars:.4f}, so nothing was sent: give --budget {needed(cost.dollars)} or more"
        )
    if not asked.yes and not permitted(base_url, cost.searches, cost.dollars):
        print("nothing was sent")
        return 2
    return ask_all(QUESTIONS, base_url, key, budget, asked.records)


def permitted(base_url: str, searches: int, dollars: float) -> bool:
    """Say what the run will do, and ask whether it may."""
    print(
        f"{len(QUESTIONS)} questions to {base_url}: a few vector stores and small files, which are deleted at the end; "
        f"{searches} searches; up to ${dollars:.4f} by the prices of {PRICES['search'].read_on}."
    )
    try:
        return input("Begin? [y/N] ").strip().lower() in ("y", "yes")
    except (EOFError, KeyboardInterrupt):
        return False


def ask_all(questions: Sequence[Question], base_url: str, key: str, budget: Budget, records: Path) -> int:
    """Ask, clean up whatever happens, and report. Returns the exit status."""
    ledger = Ledger.begin(records, base_url, key)
    client = RecordingClient(base_url, key, ledger)
    findings: list[Finding] = []
    left: list[str] = []
    stopped = ""
    with stopping_by_signals() as stop, closing(ledger):
        try:
            with relay(client) as local, closing(openai_vtab.connect(base_url=local, **SETTINGS)) as db:
                for finding in run(questions, World(client, db, stop), budget, tell):
                    findings.append(finding)
        except BudgetExceeded as error:
            stopped = str(error)
        except Stopped:
            stopped = "stopped by a signal"
        except Exception as error:
            traceback.print_exc()
            stopped = f"stopped by {type(error).__name__}: {error}"
        finally:
            left = clean_up(client)
            for line in left:
                print(f"LEFT {line}", flush=True)
    found = list(forms(client.records))
    path = records / f"{ledger.token}.json"
    report.write(path, base_url, findings, found, client.records)
    print(f"\n{report.summary(findings, found, len(questions))}")
    print(f"estimated cost up to ${budget.spent(client.searches).dollars:.4f}; the exchange is in {path}")
    if stopped:
        print(stopped)
    if left:
        print(f"{len(left)} left: see above. python -m tests.live --clean-up tries again.")
    if stopped or left:
        return 2
    return int(bool(found) or any(finding.differs or finding.reason for finding in findings))


@contextmanager
def stopping_by_signals() -> Iterator[threading.Event]:
    """Yield an event that signals set. They do not end the program, so that it always cleans up."""
    stop = threading.Event()

    def note(number: int, _: Any) -> None:
        stop.set()
        text = f"\n{signal.Signals(number).name}: stopping after the request in flight, then cleaning up\n"
        with suppress(OSError):  # print() could be running already, and must not fail here
            os.write(sys.stdout.fileno(), text.encode())

    earlier = {number: signal.signal(number, note) for number in SIGNALS}
    try:
        yield stop
    finally:
        for number, handler in earlier.items():
            signal.signal(number, handler)


def tell(line: str) -> None:
    """Print progress at once."""
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())
