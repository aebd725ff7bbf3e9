"""The form of POST /files, multipart/form-data.

>>> filename, content, purpose, expires_after = parse_upload(request)
"""

from __future__ import annotations

from contextlib import ExitStack
from io import BytesIO
from typing import Any, NamedTuple

from werkzeug.formparser import parse_form_data

from .errors import missing
from .messages import Received
from .objects import JSON


class Upload(NamedTuple):
    """The form's fields. `expires_after` is None when the form has none."""

    filename: str
    content: bytes
    purpose: str
    expires_after: JSON | None


def parse_upload(request: Received) -> Upload:
    """Parse the form. Raises the API's 400 when it lacks the file or the purpose."""
    environ: dict[str, Any] = {
        "wsgi.input": BytesIO(request.raw),
        "CONTENT_LENGTH": str(len(request.raw)),
        "CONTENT_TYPE": request.headers.get("content-type", ""),
        "REQUEST_METHOD": "POST",
    }
    with ExitStack() as uploads:
        form, files = parse_form_data(environ)[1:]
        for upload in files.values():
            uploads.callback(upload.close)
        contents = {name: (upload.filename or "upload", upload.read()) for name, upload in files.items()}
    for name, fields in (("file", contents), ("purpose", form)):
        if name not in fields:
            raise missing(name)
    expires_after: JSON | None = None
    if "expires_after[anchor]" in form:
        seconds = form.get("expires_after[seconds]", "")
        expires_after = {
            "anchor": form["expires_after[anchor]"],
            "seconds": int(seconds) if seconds.isdecimal() else None,
        }
    return Upload(*contents["file"], form["purpose"], expires_after)
