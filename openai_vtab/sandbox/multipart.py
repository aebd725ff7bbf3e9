"""The form of POST /files, multipart/form-data.

>>> filename, content, purpose, expires_after = parse_upload(request)
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from werkzeug.http import parse_options_header

from .errors import missing, wrong_type
from .messages import Received
from .objects import JSON
from .parameters import UPLOAD

DISPOSITION = "content-disposition:"
MEMBER = re.compile(r"(\w+)\[(\w+)\]")
NUMBER = re.compile(r"-?[0-9]{1,18}")


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
    """Parse the form. Raises the API's 400 when it lacks the file, or has fields that are not valid."""
    files: dict[str, Part] = {}
    fields: JSON = {}
    for part in _parts(request):
        if part.filename is None:
            _add(fields, part.name, part.content.decode("utf-8", "replace"))
        else:
            files[part.name] = part
    file = files.pop("file", None)
    if file is None:
        raise wrong_type("file", "a file", fields["file"]) if "file" in fields else missing("file")
    given = UPLOAD.read({**files, **fields})
    return Upload(file.filename or "upload", file.content, given["purpose"], given.get("expires_after"))


def _add(fields: JSON, name: str, value: str) -> None:
    """Add a field. In brackets is the name of an object's member, as in "expires_after[seconds]"."""
    member = MEMBER.fullmatch(name)
    if member is None:
        fields[name] = value
        return
    members = fields.setdefault(member[1], {})
    if isinstance(members, dict):
        members[member[2]] = int(value) if NUMBER.fullmatch(value) else value


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
