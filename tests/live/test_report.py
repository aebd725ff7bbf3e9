"""The table of differences, the form of responses, and what is written to the disk."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from .forms import Form, forms
from .ledger import Ledger
from .question import Finding, Question
from .recording_client import RecordingClient
from .report import questions, summary, write

ASKED = Question("Replaced | merged?", "UPDATE …", "replaced", "not documented", "sandbox/objects.py", lambda _: None)

FILE = {
    "id": "file-1",
    "object": "file",
    "bytes": 4,
    "created_at": 1,
    "filename": "a.md",
    "purpose": "assistants",
    "status": "processed",
}


def record(answer: Any, method: str = "GET", target: str = "/files/file-1", status: int = 200) -> dict[str, Any]:
    """A recorded exchange."""
    return {"method": method, "target": target, "status": status, "response": json.dumps(answer)}


def test_report_lists_differences_and_what_has_no_answer() -> None:
    """As expected is not listed. The last line counts."""
    findings = [
        Finding(ASKED, "replaced"),
        Finding(ASKED, "merged"),
        Finding(ASKED, None, "a batch is still in progress"),
    ]
    form = Form(
        "GET /files/{file_id}", "the cassettes", "file.sha256: a member that no cassette has", "sandbox/objects.py"
    )
    assert summary(findings, [form], 5).splitlines() == [
        "| question | expected | seen | where to fix |",
        "| --- | --- | --- | --- |",
        "| Replaced \\| merged? | replaced (not documented) | merged | sandbox/objects.py |",
        "| Is the response to GET /files/{file_id} as known? | the cassettes | file.sha256: a member that no cassette has "
        "| sandbox/objects.py |",
        "",
        "| question without an answer | why |",
        "| --- | --- |",
        "| Replaced \\| merged? | a batch is still in progress |",
        "",
        "1 of 5 questions answered as expected, 2 differences, 1 without an answer, 2 not asked",
    ]


def test_report_of_questions_has_what_is_done_and_the_source() -> None:
    """One row for each."""
    assert questions([ASKED]).splitlines()[2] == (
        "| Replaced \\| merged? | UPDATE … | replaced | not documented | sandbox/objects.py |"
    )


def test_forms_are_compared_with_cassettes_and_description() -> None:
    """A new member, another type, a missing member, and what the description does not allow."""
    assert list(forms([record(FILE)])) == []
    (new,) = forms([record({**FILE, "sha256": "…"}), record({**FILE, "sha256": "…"})])
    assert (new.operation, new.seen) == ("GET /files/{file_id}", "file.sha256: a member that no cassette has")
    seen = [form.seen for form in forms([record({**FILE, "bytes": "4"})])]
    assert seen == ["200 response.bytes: '4' is not of type 'integer'", "file.bytes: str, not ['int']"]
    seen = [form.seen for form in forms([record({name: FILE[name] for name in FILE if name != "status"})])]
    assert seen == ["200 response: 'status' is a required property", "file.status is missing"]
    seen = [form.seen for form in forms([record({**FILE, "object": "file.v2"})])]
    assert seen[-1] == "an object 'file.v2', which no cassette has"


def test_forms_may_be_of_any_kind() -> None:
    """A list without its ends, and a response that does not say what it is, are differences as well."""
    page = {"object": "list", "data": [], "has_more": False, "first_id": "", "last_id": ""}
    assert [form.seen.partition(":")[0] for form in forms([record(page, target="/files")])] == ["200 AssertionError"]
    assert [form.seen for form in forms([record({"id": "file-1"})])] == ["200 KeyError: 'object'"]


def test_forms_of_errors_are_compared_with_the_description() -> None:
    """An error body of another form is a difference; a path that no operation has is not compared."""
    (form,) = forms([record({"detail": "Not Found"}, status=404)])
    assert form.seen == "404 response: 'error' is a required property"
    assert list(forms([record({"detail": "Not Found"}, target="/nothing", status=404)])) == []


def test_client_records_neither_the_key_nor_what_others_have(sandbox: Any, tmp_path: Path) -> None:
    """Of foreign files, only the form is kept. Headers with the key, and names of the account, are left out."""
    ledger = Ledger.begin(tmp_path, sandbox.base_url, sandbox.api_key)
    client = RecordingClient(sandbox.base_url, sandbox.api_key, ledger)
    sandbox.add_file("secret-plan.md", id="file-own")
    ledger.created(ledger.creating("files"), "file-own")
    sandbox.add_store("vs_secret", name="secret store")
    client.send("GET", "/files?limit=100")
    client.send("GET", "/vector_stores?limit=100")
    client.send("GET", f"/files/org-4711{sandbox.api_key}")
    path = tmp_path / "exchange.json"
    write(path, sandbox.base_url, [Finding(ASKED, "merged")], [], client.records)
    text = path.read_text(encoding="utf-8")
    assert sandbox.api_key not in text
    assert "org-4711" not in text
    assert "secret store" not in text
    assert "vs_secret" not in text
    page = json.loads(client.records[0]["response"])
    assert [(file["id"], file["filename"]) for file in page["data"]] == [
        ("file-own", "secret-plan.md"),
        *[("…", "…")] * 3,
    ]
    assert list(forms(client.records)) == []
    assert json.loads(text)["findings"][0]["seen"] == "merged"
    ledger.gone("file-own")
    ledger.close()
