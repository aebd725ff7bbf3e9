"""Every exception this package raises, as one tree rooted in the PEP 249 classes.

    Exception
    ├── Warning
    └── Error
        ├── InterfaceError
        └── DatabaseError
            ├── DataError
            ├── OperationalError
            │   ├── ConfigurationError      settings that allow no request
            │   ├── APIError                the API answered, and the answer is not usable
            │   ├── APIConnectionError      no answer came
            │   │   └── APITimeoutError     … within `timeout`
            │   └── WriteError              some of several rows were not written
            ├── IntegrityError
            │   └── RowError                a row that must not be sent; nothing was sent
            ├── InternalError
            ├── ProgrammingError
            │   └── MissingColumnsError     the query lacks a key that the API needs
            └── NotSupportedError
                └── UnsupportedWriteError   an INSERT, UPDATE or DELETE that the API does not have

This file must not know requests, APSW or any table. No exception holds the API key or an object that does.

>>> try: ...
... except openai_vtab.APIError as error: print(error.status, error.code, error.request_id)
"""

from __future__ import annotations

import re

# C0 and C1 but tab, line feed and CR LF; DEL; and the marks that turn the direction of text around
_CONTROLS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]|\r(?!\n)")


def visible(text: str) -> str:
    r"""The text with control characters written as Python does, `\x1b`: a terminal would obey them.

    Tabs and line ends stay. Bidirectional overrides are escaped, too: text after them reads as something else.
    """
    return _CONTROLS.sub(lambda found: repr(found[0])[1:-1], text)


MOST_LISTED = 20  # lines, and rows in a line, that the text of a WriteError has of each list


class Warning(Exception):  # noqa: N818 - PEP 249's name
    """Something important happened although the statement succeeded."""


class Error(Exception):
    """The root of all errors of this package (PEP 249).

    `str()` shows control characters escaped; `args` and the attributes hold the text as it came.
    `sqlite_errorcode`, SQLite's extended result code, and `sqlite_errorname` are there when SQLite raised it and it
    came through openai_vtab.dbapi.
    """

    sqlite_errorcode: int
    sqlite_errorname: str

    def __str__(self) -> str:
        # Python prints an uncaught exception to the terminal as it is, and its words may be a server's
        return visible(super().__str__())

    def __reduce__(self) -> tuple[object, ...]:
        # the default calls the class with the message alone; multiprocessing needs the attributes too
        return _unpickled, (type(self), self.args, self.__dict__)


def _unpickled(cls: type[Error], args: tuple[object, ...], attributes: dict[str, object]) -> Error:
    error = cls.__new__(cls, *args)
    error.__dict__.update(attributes)
    return error


class InterfaceError(Error):
    """The interface is misused, not the database."""


class DatabaseError(Error):
    """Something is wrong with the database, or with the API behind it."""


class DataError(DatabaseError):
    """A value cannot be processed."""


class OperationalError(DatabaseError):
    """Outside the programmer's control: the network, the API, the account."""


class IntegrityError(DatabaseError):
    """A row breaks a rule of the table."""


class InternalError(DatabaseError):
    """The package contradicts itself."""


class ProgrammingError(DatabaseError):
    """The statement is wrong."""


class NotSupportedError(DatabaseError):
    """The statement asks for something that does not exist."""


class ConfigurationError(OperationalError):
    """The settings do not allow a request: a key, address, header, proxy or certificates that cannot be used.

    `sent` is False: the request certainly never left this machine. It is True when the settings failed a retry of a
    request that may have been carried out.
    """

    def __init__(self, problem: str, *, sent: bool = False) -> None:
        super().__init__(problem)
        self.sent = sent


class APIError(OperationalError):
    """The API answered with an error, or with something that is not an answer.

    `status` is the HTTP status, `message`, `type`, `param` and `code` are the API's own words (None when it
    did not say), `request_id` its `x-request-id`, and `request` the HTTP request as "GET https://…". `hint` says
    what to check, and is empty where there is nothing to say.
    """

    def __init__(
        self,
        problem: str,
        *,
        request: str,
        status: int | None = None,
        message: str | None = None,
        type: str | None = None,  # the API's own word
        param: str | None = None,
        code: str | None = None,
        request_id: str | None = None,
        hint: str = "",
    ) -> None:
        notes = [f"{name} {value}" for name, value in (("code", code), ("request id", request_id)) if value]
        super().__init__(
            f"{request}: {problem}" + (f" ({', '.join(notes)})" if notes else "") + (f"; {hint}" if hint else "")
        )
        self.request = request
        self.hint = hint
        self.status = status
        self.message = message
        self.type = type
        self.param = param
        self.code = code
        self.request_id = request_id


class APIConnectionError(OperationalError):
    """No answer came. `sent` is False when the request certainly never left this machine.

    `lasting` is True when another attempt would fail in the same way, as with a certificate that is not trusted.
    """

    def __init__(self, problem: str, *, request: str, sent: bool, lasting: bool = False) -> None:
        super().__init__(f"{request}: {problem}")
        self.request = request
        self.sent = sent
        self.lasting = lasting


class APITimeoutError(APIConnectionError):
    """No complete answer came within `timeout`."""


class RowError(IntegrityError):
    """A row was refused before anything was sent; the message names the column and what to write instead."""


class MissingColumnsError(ProgrammingError):
    """The query does not give the keys that the API needs; nothing was sent."""


class UnsupportedWriteError(NotSupportedError):
    """The API has no such write, or the connection is read_only; nothing was sent, and the message says why."""


class WriteError(OperationalError):
    """A transaction was not carried out as a whole.

    `done` lists (rowid, id) of the rows that the API has carried out, `not_done` (rowid, reason) of those that it has
    not, and `unknown` (rowid, reason) of those that it may have: no response settles it. The local changes are rolled
    back, unless it was a SELECT that had the rows sent: then the transaction stays open, and its COMMIT fails.

    The lists are complete; the text groups rows with the same reason, and leaves out what is too long to read.
    """

    def __init__(
        self,
        problem: str,
        *,
        done: list[tuple[int, str]],
        not_done: list[tuple[int, str]],
        unknown: list[tuple[int, str]],
    ) -> None:
        lines = [problem]
        for title, rows in (("done", done), ("not done", not_done), ("unknown", unknown)):
            lines += _listed(title, rows)
        if len(done) + len(not_done) + len(unknown) > 1:
            lines.append(f"  in all: {len(done)} done, {len(not_done)} not done, {len(unknown)} unknown")
        super().__init__("\n".join(lines))
        self.done = done
        self.not_done = not_done
        self.unknown = unknown


def _listed(title: str, rows: list[tuple[int, str]]) -> list[str]:
    """A line for each id or reason, with the rows that share it; what a person reads need not name thousands."""
    by_text: dict[str, list[int]] = {}
    for rowid, text in rows:
        by_text.setdefault(text, []).append(rowid)
    lines = []
    for text, rowids in list(by_text.items())[:MOST_LISTED]:
        named = ", ".join(map(str, rowids[:MOST_LISTED]))
        more = f" and {len(rowids) - MOST_LISTED} more" if len(rowids) > MOST_LISTED else ""
        lines.append(f"  {title}: row{'s' if len(rowids) > 1 else ''} {named}{more}: {text}")
    if len(by_text) > MOST_LISTED:
        lines.append(f"  {title}: … and {len(by_text) - MOST_LISTED} more")
    return lines
