"""docs/servers.md: it is what the committed runs say, and they are of the tests that there are."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest
import requests as http

from openai_vtab import sandbox

from ..support.cassettes import Secrets
from ..support.recording import Target
from .capabilities import KINDS, MOST, PAGE, Result, Run, page, record, results, runs, shortened
from .models import MODELS, ogx
from .models.model import served

SECRETS = Secrets("http://127.0.0.1:4711/v1", "sandbox-key")
TABLES = Path(__file__).parents[1] / "tables"
REPORT = """<testsuites><testsuite>
<testcase name="a"><properties><property name="capability" value="search: a"/></properties></testcase>
<testcase name="b[1]"><properties><property name="capability" value="search: b"/>
  <property name="difference" value="GET /files: status: null"/></properties></testcase>
<testcase name="b[2]"><properties><property name="capability" value="search: b"/></properties>
  <failure message="openai_vtab.errors.WriteError: POST http://127.0.0.1:4711/v1/files: vs_0123456789abcdef0123 is not there&#10;more">x</failure></testcase>
<testcase name="c"><properties><property name="capability" value="search: c"/>
  <property name="failure" value="AssertionError: assert [] == ['file-1']&#10;  at index 0"/></properties>
  <skipped type="pytest.xfail" message="OpenAI's own behaviour: a file fails"/></testcase>
<testcase name="d"><properties><property name="capability" value="search: d"/>
  <property name="difference" value="GET /files: status: null"/></properties>
  <error message="failed on setup with &quot;Failed: no file&quot;">x</error></testcase>
<testcase name="e[1]"><properties><property name="capability" value="search: e"/>
  <property name="failure" value="one"/></properties>
  <skipped type="pytest.xfail" message="OpenAI's own behaviour: a file fails"/></testcase>
<testcase name="e[2]"><properties><property name="capability" value="search: e"/></properties>
  <failure message="two">x</failure></testcase>
<testcase name="f"><properties><property name="capability" value="search: f"/>
  <property name="failure" value="failed on setup with &quot;Failed: a &quot;quoted&quot; server&quot;"/></properties>
  <skipped type="pytest.xfail" message="OpenAI's own behaviour: a file fails"/></testcase>
<testcase name="g"/></testsuite></testsuites>"""


def capabilities() -> set[str]:
    """The texts of the markers in the tests of the tables."""
    text = "".join(path.read_text(encoding="utf-8") for path in sorted(TABLES.glob("test_*.py")))
    return set(re.findall(r"pytest\.mark\.capability\(\s*\"([^\"]+)\"", text))


def test_page_is_made_from_the_runs() -> None:
    """python -m tests.servers.capabilities --page writes it."""
    assert PAGE.read_text(encoding="utf-8") == page(runs())


def test_runs_are_of_the_tests_that_there_are() -> None:
    """Each has all capabilities; a changed test needs new recordings."""
    found = runs()
    assert {run.server for run in found if run.kind == "model"} == {model.name for model in MODELS}
    assert {run.kind for run in found} <= set(KINDS)
    for run in found:
        assert set(run.results) == capabilities(), run.server
    (own,) = (run for run in found if run.kind == "sandbox")
    assert set(own.results.values()) == {Result()}
    assert own.differences == []


def test_results_are_the_worst_of_each_capability() -> None:
    """With the reason, in which nothing is by chance."""
    found, differences = results(ElementTree.fromstring(REPORT), SECRETS)  # noqa: S314 - our own
    assert found == {
        "search: a": Result(),
        "search: b": Result("POST /files: vs_… is not there"),
        "search: c": Result("[] instead of ['file-1']", "a file fails"),
        "search: d": Result("no file"),
        "search: e": Result("two"),
        "search: f": Result('a "quoted" server'),
    }
    assert differences == ["GET /files: status: null"]


@pytest.mark.parametrize(
    ("error", "openai", "outcome"),
    [
        ("", "", "yes"),
        ("400 instead of 404", "", "no"),
        ("400 instead of 404", "an unknown id is 404", "own"),
        ("POST /x/cancel: answered 400: Batch 'b' is completed", "it is in progress", "own"),
        ("file-cassette-3 could not be created: POST /files: 501", "a file fails", "no"),
        ("POST /x: answered 404: Not Found; there is no such route: check base_url", "it is in progress", "no"),
        ("assert 'vs_0' in 'Not Found'", "an unknown id is 404", "no"),
        ("assert 'vs_0' in 'Not Found: vector store'", "an unknown id is 404", "own"),
    ],
)
def test_outcome_is_own_only_if_the_test_got_as_far(error: str, openai: str, outcome: str) -> None:
    """A missing route, and an object that could not be created, say nothing about how the server behaves."""
    assert Result(error, openai).outcome == outcome


def test_model_of_ogx_completes_a_batch_without_files_later() -> None:
    """The response is in progress; then the batch can be read, and listed."""
    with served(ogx.MODEL) as running:
        files = [running.add_file("a.md"), running.add_file("b.md")]
        running.add_store("vs_1")
        url = f"{running.base_url}/vector_stores/vs_1/file_batches"
        headers = {"authorization": f"Bearer {running.api_key}"}
        made = http.post(url, json={"files": [{"file_id": id} for id in files]}, headers=headers, timeout=60).json()
        read = http.get(f"{url}/{made['id']}", headers=headers, timeout=60).json()
        listed = http.get(f"{url}/{made['id']}/files", headers=headers, timeout=60).json()
    assert (made["status"], made["file_counts"]["total"]) == ("in_progress", 0)
    assert read == {**made, "status": "completed"}
    assert listed["data"] == []


def test_results_are_shortened() -> None:
    """The first line, up to a length."""
    assert shortened("a.b.APIError: x\ny", SECRETS) == "x"
    assert len(shortened("x" * 1000, SECRETS)) == MOST
    assert shortened("AssertionError: \nassert False", SECRETS) == "an error without a text"


def test_page_tells_servers_from_models() -> None:
    """In the table's head and in each section; a capability that was not recorded is a dash."""
    one = Run("A 1", "model", "2026-11-26", 'base_url="a"', "No `x`.", {"a: b": Result("x", "c is d")}, ["GET /a | b"])
    two = Run("B 2", "server", "2026-11-25", 'base_url="b"', "", {"a: c": Result("x | `y`")}, [])
    text = page([one, two])
    assert "|  | B 2 | A 1 (model) |\n| --- | --- | --- |\n| a: b | – | own |\n| a: c | no | – |\n" in text
    assert 'A model, recorded on 2026-11-26: 0 of 1. Connect with `base_url="a"`.\n\nNo `x`.\n' in text
    assert "| a: b | own: `x`. At OpenAI, c is d. |" in text
    assert "| a: c | no: `x ¦ 'y'` |" in text
    assert "- `GET /a ¦ b`" in text


@pytest.mark.slow
@pytest.mark.parametrize("name", ["Sandbox", MODELS[0].name, MODELS[-1].name])
def test_run_is_what_the_server_does_today(name: str) -> None:
    """A committed run is not out of date."""
    (run,) = (run for run in runs() if run.server == name)
    if run.kind == "sandbox":
        with sandbox.run(processing_seconds=1.0, seeded=False) as running:
            found = record(Target(running.base_url, running.api_key))
    else:
        with served(next(model for model in MODELS if model.name == name)) as running:
            found = record(Target(running.base_url, running.api_key))
    assert found == (run.results, run.differences)
