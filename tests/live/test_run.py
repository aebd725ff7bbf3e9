"""Whole runs, against a sandbox: what they print, how they end, and what they leave."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from openai_vtab import sandbox as sandbox_package
from openai_vtab.sandbox import Slow, Status

from ..servers.models import ogx
from ..servers.models.model import served
from ..support.waiting import until
from .__main__ import ask_all
from .prices import Budget, Cost
from .question import Question
from .questions import QUESTIONS
from .world import World

ROOT = Path(__file__).parents[2]
FIRST = QUESTIONS[0]  # creates a vector store
WAIT = 240  # seconds until the program must have done something: tests beside it may take all processors


@pytest.fixture
def live(sandbox: Any, tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Start the program against the sandbox, with its records in tmp_path."""
    started = []

    def start(*options: str, key: str | None = None) -> subprocess.Popen[str]:
        environment = {**os.environ, "OPENAI_BASE_URL": sandbox.base_url, "OPENAI_API_KEY": key or sandbox.api_key}
        if key == "":
            del environment["OPENAI_API_KEY"]
        command = [sys.executable, "-X", "dev", "-W", "error", "-m", "tests.live", "--records", str(tmp_path), *options]
        started.append(
            subprocess.Popen(
                command,
                cwd=ROOT,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
        )
        return started[-1]

    yield start
    for process in started:
        with suppress(ProcessLookupError):
            process.kill()
        process.communicate()


@pytest.fixture
def quick(sandbox: Any) -> Any:
    """The sandbox, which processes files in a moment."""
    sandbox._state.processing_seconds = 0.5
    return sandbox


def objects(sandbox: Any) -> set[str]:
    """The ids of all files and vector stores."""
    return {*sandbox._state.files, *sandbox._state.stores}


def ask(sandbox: Any, records: Path, *questions: Question, dollars: float = 0.10) -> int:
    """Ask these questions in this process. Returns the exit status."""
    return ask_all(questions, sandbox.base_url, sandbox.api_key, Budget(dollars), records)


def question(asking: Callable[[World], Any], cost: Cost = FIRST.cost) -> Question:
    """A question that expects "yes"."""
    return Question("Is it so?", "it is tried", "yes", "a test", "the test", asking, cost)


# In this process: a few questions


def test_run_asks_cleans_up_and_reports(sandbox: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The file of the exchange stays, the ledger does not."""
    before = objects(sandbox)
    assert ask(sandbox, tmp_path, FIRST, question(lambda world: "yes" if world["store"] else "no")) == 0
    assert objects(sandbox) == before
    printed = capsys.readouterr().out
    assert "2 of 2 questions answered as expected, 0 differences, 0 without an answer, 0 not asked\n" in printed
    (path,) = tmp_path.iterdir()
    assert str(path) in printed
    found = json.loads(path.read_text(encoding="utf-8"))
    assert [finding["seen"] for finding in found["findings"]][1] == "yes"
    assert found["exchange"][0]["method"] == "POST"


def test_run_reports_a_difference(sandbox: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Also a response of another form, and an error of SQL as no answer. The next questions are asked."""
    wrong = [
        question(lambda world: "no"),
        question(lambda world: {}["yes"]),
        question(lambda world: world.sql("SELECT * FROM missing")),
        question(lambda world: world["nothing"]),
    ]
    assert ask(sandbox, tmp_path, *wrong) == 1
    printed = capsys.readouterr().out
    assert "| Is it so? | yes (a test) | no | the test |" in printed
    assert "| Is it so? | yes (a test) | a response of another form (KeyError: 'yes') | the test |" in printed
    assert "no such table: missing" in printed
    assert "there is no nothing, because an earlier step failed" in printed


def test_run_waits_for_a_limit_and_counts_each_search(
    sandbox: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Retry-After may be a date. The cost has the searches that the last question has retried."""
    headers = {"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}
    sandbox.inject(Status(429, headers=headers), times=2, path="/search")

    def search(world: World) -> str:
        status = world.call("POST /vector_stores/{store}/search", {"query": "a"}).status
        return "yes" if status == 200 else str(status)

    assert ask(sandbox, tmp_path, FIRST, question(search, Cost(searches=1))) == 0
    printed = capsys.readouterr().out
    assert "2 of 2 questions answered as expected" in printed
    assert f"estimated cost up to ${Cost(searches=3).dollars:.4f};" in printed


def test_run_without_an_answer_is_not_as_expected(sandbox: Any, tmp_path: Path) -> None:
    """The status is 1, as after a difference."""
    assert ask(sandbox, tmp_path, question(lambda world: world["nothing"])) == 1


def test_run_shows_the_response_to_a_create_that_the_package_refuses(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A server that ignores `files`: the INSERT has no answer, and the next question says what the server answered."""
    by_name = {question.asking.__name__: question for question in QUESTIONS}
    asked = [by_name[name] for name in ("new_store", "uploads", "batch_of_files", "response_to_files")]
    with served(ogx.MODEL) as server:
        assert ask(server, tmp_path, *asked) == 1
        assert objects(server) == set()
    printed = capsys.readouterr().out
    members = '"members": ["created_at", "file_counts", "id", "object", "status", "vector_store_id"]'
    assert f'| {{"status": "in_progress", "total": 0, {members}}} | documents/attach_step.py' in printed
    assert "2 of 4 questions answered as expected, 1 difference, 1 without an answer, 0 not asked" in printed


def test_run_that_fails_cleans_up(sandbox: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A mistake in the program itself."""
    before = objects(sandbox)

    def fails(world: World) -> None:
        assert objects(sandbox) != before
        raise RuntimeError("a mistake")

    assert ask(sandbox, tmp_path, FIRST, question(fails), FIRST) == 2
    assert objects(sandbox) == before
    printed = capsys.readouterr()
    assert "stopped by RuntimeError: a mistake" in printed.out
    assert "1 of 3 questions answered as expected, 0 differences, 0 without an answer, 2 not asked" in printed.out
    assert "Traceback" in printed.err


def test_run_stops_before_a_step_that_would_exceed_the_budget(
    sandbox: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What was created is deleted, and the step sends nothing."""
    before = objects(sandbox)
    asked: list[str] = []
    search = question(lambda world: asked.append("a search"), Cost(searches=3))
    assert ask(sandbox, tmp_path, FIRST, search, dollars=0.001) == 2
    assert (asked, objects(sandbox)) == ([], before)
    assert "stopped before 'Is it so?': up to $0.0000 of $0.0010 are spent" in capsys.readouterr().out


def test_run_tells_what_a_failed_clean_up_leaves(
    sandbox: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The ids are printed, and the ledger stays."""
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    before = objects(sandbox)
    sandbox.inject(Status(500, message="It failed"), times=None, method="DELETE")
    assert ask(sandbox, tmp_path, FIRST) == 2
    (left,) = objects(sandbox) - before
    printed = capsys.readouterr().out
    assert f"LEFT {left} (vector_stores): 500 It failed\n" in printed
    assert "1 left: see above. python -m tests.live --clean-up tries again.\n" in printed
    assert len(list(tmp_path.glob("*.ledger"))) == 1


# The program itself


@pytest.mark.slow
def test_run_has_no_difference_from_the_sandbox(live: Any, quick: Any, tmp_path: Path) -> None:
    """All questions; nothing is left, and no key is in what was written."""
    before = objects(quick)
    process = live("--budget", "0.10", "--yes")
    out, errors = process.communicate(timeout=WAIT)
    assert (process.returncode, errors) == (0, ""), out
    count = len(QUESTIONS)
    assert f"{count} of {count} questions answered as expected, 0 differences, 0 without an answer, 0 not asked" in out
    assert objects(quick) == before
    (path,) = tmp_path.iterdir()
    assert quick.api_key not in path.read_text(encoding="utf-8")


@pytest.mark.slow
def test_run_shows_how_a_server_differs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each of these quirks is a row of the table, or several."""
    quirks = sandbox_package.Quirks(
        detach_from_all_stores=True,
        delete_detaches=True,
        plural_object=True,
        batch_get_returns_store=True,
        poll_after_ms=10,
    )
    with sandbox_package.run(processing_seconds=0.5, quirks=quirks) as sandbox:
        before = objects(sandbox)
        assert ask(sandbox, tmp_path, *QUESTIONS) == 1
        assert objects(sandbox) == before
    rows = [line.split(" | ")[0].removeprefix("| ") for line in capsys.readouterr().out.splitlines() if line[:1] == "|"]
    expected = {
        "What does the response to the create of a batch say?",
        "Does GET of a batch return the batch, or the vector store?",
        "How long does the server ask clients to wait between two looks at a batch?",
        "Does detaching a file from one store detach it from all?",
        "What remains in the vector store of a file that was deleted while attached?",
        "Is the response to GET /vector_stores/{vector_store_id}/file_batches/{batch_id} as known?",
    }
    assert expected <= set(rows)
    assert len(set(rows)) < 20


@pytest.mark.slow
def test_run_with_a_server_that_differs_in_much_leaves_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Errors are texts, unknown ids are 400, attached files are not deleted, and lists begin again."""
    quirks = sandbox_package.Quirks(
        plain_errors="text",
        unknown_id_is_400=True,
        attached_file_is_not_deleted=True,
        batch_ids_without_prefix=True,
        unknown_after_is_first_page=True,
    )
    with sandbox_package.run(processing_seconds=0.3, quirks=quirks) as sandbox:
        before = objects(sandbox)
        assert ask(sandbox, tmp_path, *QUESTIONS) == 1
        assert objects(sandbox) == before
    assert "LEFT" not in capsys.readouterr().out
    assert list(tmp_path.glob("*.ledger")) == []


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("requests", [3, 40])
def test_run_that_is_interrupted_cleans_up(live: Any, quick: Any, number: signal.Signals, requests: int) -> None:
    """In its middle. A second signal does not keep it from cleaning up, and nothing else is deleted."""
    quick.latency = 0.05
    quick.add_store("vs_foreign", name="renamed")
    before = objects(quick)
    process = live("--budget", "0.10", "--yes")
    until(lambda: len(quick.requests) > requests, WAIT)
    assert objects(quick) != before
    process.send_signal(number)
    process.send_signal(number)
    out, errors = process.communicate(timeout=WAIT)
    assert (process.returncode, errors) == (2, ""), out
    assert f"{number.name}: stopping after the request in flight, then cleaning up" in out
    assert "stopped by a signal" in out
    assert objects(quick) == before


@pytest.mark.slow
@pytest.mark.parametrize("in_flight", [False, True], ids=["between requests", "while a create is in flight"])
def test_clean_up_after_a_kill(live: Any, quick: Any, tmp_path: Path, in_flight: bool) -> None:
    """The ledger of the killed run says what to delete; foreign objects with the same names stay."""
    quick.add_store("vs_foreign", name="openai_vtab live")
    before = objects(quick)
    if in_flight:
        quick.inject(Slow(1.0), method="POST", path="/files$", after=2)
    process = live("--budget", "0.10", "--yes")
    posts = [("POST", "/files")] * 3
    until(lambda: [(r.method, r.path) for r in list(quick.requests) if r.path == "/files"][:3] == posts, WAIT)
    process.kill()
    process.communicate()
    until(lambda: quick.in_flight == 0)
    assert len(objects(quick)) >= len(before) + 3
    again = live("--clean-up")
    assert again.communicate(timeout=WAIT) == ("nothing is left\n", "")
    assert again.returncode == 0
    assert objects(quick) == before
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "key", "status", "message"),
    [
        (["--budget", "0.001", "--yes"], None, 2, "so nothing was sent: give --budget 0.0"),
        (["--budget", "0", "--yes"], None, 2, "0 is no budget: give a number of dollars above 0"),
        (["--budget", "nan", "--yes"], None, 2, "nan is no budget"),
        (["--yes"], None, 2, "give --budget, such as --budget 0.10"),
        (["--budget", "0.10", "--yes"], "", 2, "there is no key: set OPENAI_API_KEY"),
        (["--clean-up"], "", 2, "there is no key: set OPENAI_API_KEY"),
        (["--budget", "0.10"], None, 2, "Begin? [y/N] nothing was sent"),
        (["--budget", "0.10", "--base-url", "http://example.com/v1"], None, 2, "allow_http"),
        (["--questions"], "", 0, "| question | what is done | expected |"),
    ],
    ids=[
        "too small",
        "0",
        "NaN",
        "no budget",
        "no key",
        "clean-up without a key",
        "not permitted",
        "http",
        "questions",
    ],
)
def test_run_that_must_not_begin_sends_nothing(
    live: Any, sandbox: Any, options: list[str], key: str | None, status: int, message: str
) -> None:
    """It says why."""
    process = live(*options, key=key)
    out, errors = process.communicate(timeout=WAIT)
    assert message in out + errors
    assert "Traceback" not in errors
    assert (process.returncode, sandbox.requests) == (status, [])
