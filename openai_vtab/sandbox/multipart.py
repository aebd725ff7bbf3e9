"""The form of POST /files, multipart/form-data.

>>> filename, content, purpose, expires_after = parse_upload(request)
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from werkzeug.http import parse_options_header

from .errors import missing
from .messages import Received
from .objects import JSON

DISPOSITION = "content-disposition:"


class Upload(NamedTuple):
    """The form's fields. `expires_after` is None when the form has none."""

    filename: str
    content: bytes
    purpose: str
    expires_after: JSON | None


class Part(NamedTuple):
    """A part of the form. `filename` is None for a field that is no file."""

    name: str
    filename: str | None
    content: bytes


def parse_upload(request: Received) -> Upload:
    """Parse the form. Raises the API's 400 when it lacks the file or the purpose."""
    parts = list(_parts(request))
    files = {part.name: part for part in parts if part.filename is not None}
    form = {part.name: part.content.decode("utf-8", "replace") for part in parts if part.filename is None}
    for name, fields in (("file", files), ("purpose", form)):
        if name not in fields:
            raise missing(name)
    expires_after: JSON | None = None
    if "expires_after[anchor]" in form:
        seconds = form.get("expires_after[seconds]", "")
        expires_after = {
            "anchor": form["expires_after[anchor]"],
            "seconds": int(seconds) if seconds.isdecimal() else None,
        }
    file = files["file"]
    return Upload(file.filename or "upload", file.content, form["purpose"], expires_after)


def _parts(request: Received) -> Iterator[Part]:
    """The parts of the form. A part without a name is left out.

    werkzeug's parser takes most of the time of an upload, which is why only the headers are left to werkzeug.
    """
    kind, options = parse_options_header(request.headers.get("content-type"))
    if kind != "multipart/form-data" or not options.get("boundary"):
        return
    delimiter = b"\r\n--" + options["boundary"].encode("latin-1", "replace")
    for part in (b"\r\n" + request.raw).split(delimiter)[1:]:
        if part.startswith(b"--"):  # the end of the form
            return
        head, _, content = part.partition(b"\r\n\r\n")
        for line in head.decode("utf-8", "replace").split("\r\n"):
            if line.lower().startswith(DISPOSITION):
                names = parse_options_header(line[len(DISPOSITION) :])[1]
                if "name" in names:
                    yield Part(names["name"], names.get("filename"), content)
