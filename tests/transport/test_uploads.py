"""Uploads over real connections: the bytes that arrive are those whose SHA-256 the body has."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest

from openai_vtab.protocol import build
from openai_vtab.protocol.multipart import Upload
from openai_vtab.sandbox import Status
from openai_vtab.schema.file_to_upload import FileToUpload
from openai_vtab.schema.spool import Spool
from openai_vtab.schema.upload_root import locate
from openai_vtab.settings import Settings
from openai_vtab.tables.files import files
from openai_vtab.transport.client import Client
from openai_vtab.transport.limits import WaitBudget

CONTENT = bytes(range(251)) * 12_000  # 3 MB


@pytest.mark.parametrize("where", ["in memory", "in a spool", "on disk"])
def test_upload_sha256_is_that_of_what_arrived(sandbox: Any, tmp_path: Path, where: str) -> None:
    """Also when a rate limit makes the client send all of it twice."""
    spool = Spool(memory=0)
    (tmp_path / "a.md").write_bytes(CONTENT)
    given: dict[str, Any] = {"filename": "b.md", "purpose": "assistants"}
    if where == "on disk":
        given["path"] = FileToUpload("a.md", locate("a.md", tmp_path))
    else:
        given["content"] = CONTENT if where == "in memory" else spool.keep(CONTENT)
    method = next(method for method in files.of("INSERT") if method.required[0] in given)
    request = build(files, method, given)
    client = Client(Settings(base_url=sandbox.base_url, api_key=sandbox.api_key))
    sandbox.inject(Status(429, headers={"retry-after": "0"}), method="POST")
    response = client.send(request, WaitBudget(300))
    client.close()
    spool.close()
    assert response.status == 200
    assert len(sandbox.requests) == 2
    (file,) = [file for file in sandbox._state.files.values() if file.filename == "b.md"]
    assert file.content == CONTENT
    assert isinstance(request.body, Upload)
    assert request.body.sha256 == hashlib.sha256(CONTENT).hexdigest()
