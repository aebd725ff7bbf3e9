"""The exceptions of this package: one tree, rooted in the classes of PEP 249.

    Exception
    ├── Warning
    └── Error
        ├── InterfaceError
        └── DatabaseError
            ├── DataError
            ├── OperationalError
            │   ├── ConfigurationError      settings that allow no request
            │   ├── APIError                an error response, or one that is not usable
            │   ├── APIConnectionError      no response came
            │   │   └── APITimeoutError     … within `timeout`
            │   └── WriteError              not all rows of a transaction were written
            ├── IntegrityError
            │   └── RowError                a row that must not be sent; nothing was sent
            ├── InternalError
            ├── ProgrammingError
            │   └── MissingColumnsError     the query lacks a key that the API needs
            └── NotSupportedError
                └── UnsupportedWriteError   an INSERT, UPDATE or DELETE that the API does not have, or that is refused

No exception holds the API key, or an object that holds it.

>>> try: ...
... except openai_vtab.APIError as error: print(error.status, error.code, error.request_id)
"""

from __future__ import annotations

import re
from collections.abc import Sequence

# C0 and C1 except tab, line feed and CR LF; DEL; and the marks that reverse the direction of text
_CONTROLS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]|\r(?!\n)")


def visible(text: str) -> str:
    r"""The text with its control characters escaped, as in `\x1b`: a terminal would obey them.

    Tabs and line ends stay. Bidirectional overrides are escaped, too: they change how the text after them reads.
    """
    return _CONTROLS.sub(lambda found: repr(found[0])[1:-1], text)


TITLES = ("done", "not done", "unknown", "partial")
MAX_NAMED = 5  # names in a line of that text
MAX_LISTED = 20  # lines of each list in the text of a WriteError, and rows in a line


class Warning(Exception):  # noqa: N818 - PEP 249's name
    """Something important happened although the statement succeeded."""


class Error(Exception):
    """The root of all errors of this package (PEP 249).

    `str()` escapes control characters; `args` and the attributes hold the original text. `sqlite_errorcode`, SQLite's
    extended result code, and `sqlite_errorname` exist when SQLite raised the error and it passed through
    openai_vtab.dbapi.
    """

    sqlite_errorcode: int
    sqlite_errorname: str

    def __str__(self) -> str:
        # Python prints an uncaught exception to the terminal unescaped, and the text may come from a server
        return visible(super().__str__())

    def __reduce__(self) -> tuple[object, ...]:
        # the default restores only the message, but other processes need the attributes, too
        return _unpickled, (type(self), self.args, self.__dict__)


def _unpickled(cls: type[Error], args: tuple[object, ...], attributes: dict[str, object]) -> Error:
    error = cls.__new__(cls, *args)
    error.__dict__.update(attributes)
    return error


class InterfaceError(Error):
    """The program uses the interface wrongly."""


class DatabaseError(Error):
    """Something is wrong with the database, or with the API behind it."""


class DataError(DatabaseError):
    """A value cannot be processed."""


class OperationalError(DatabaseError):
    """A failure that the programmer cannot prevent: of the network, the API, the account."""


class IntegrityError(DatabaseError):
    """A row breaks a rule of the table."""


class InternalError(DatabaseError):
    """The package is in a state that should be impossible."""


class ProgrammingError(DatabaseError):
    """The statement is wrong."""


class NotSupportedError(DatabaseError):
    """The statement asks for something that is not supported."""


class ConfigurationError(OperationalError):
    """The settings do not allow a request: a key, address, header, proxy or certificate cannot be used.

    `sent` is False when the request certainly never left this machine. It is True when the settings made the retry of a
    request fail whose first attempt may have been carried out.
    """

    def __init__(self, problem: str, *, sent: bool = False) -> None:
        super().__init__(problem)
        self.sent = sent


class APIError(OperationalError):
    """The API sent an error response, or one that cannot be used.

    status: the HTTP status.
    message, type, param, code: the members of the API's error object; None when it has none.
    request_id: the response's header `x-request-id`.
    request: the HTTP request, as "GET https://…".
    hint: what to check, or "".
    """

    def __init__(
        self,
        problem: str,
        *,
        request: str,
        status: int | None = None,
        message: str | None = None,
        type: str | None = None,  # the API's own name
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
    """No response came.

    sent: False when the request certainly never left this machine.
    lasting: True when a retry would fail in the same way, as with a certificate that is not trusted.
    """

    def __init__(self, problem: str, *, request: str, sent: bool, lasting: bool = False) -> None:
        super().__init__(f"{request}: {problem}")
        self.request = request
        self.sent = sent
        self.lasting = lasting


class APITimeoutError(APIConnectionError):
    """No complete response came within `timeout`."""


class RowError(IntegrityError):
    """A row was refused before anything was sent. The message names the column and what to write instead."""


class MissingColumnsError(ProgrammingError):
    """The query lacks keys that the API needs. Nothing was sent."""


class UnsupportedWriteError(NotSupportedError):
    """The API has no such write, the connection is read_only, or a WHERE is missing. Nothing was sent."""


class WriteError(OperationalError):
    """Not all rows of a transaction were written.

    done: (rowid, id) of each row that the API has written.
    not_done: (rowid, reason) of each row that it has not.
    unknown: (rowid, reason) of each row with an unknown outcome, because no response came.
    partial: (rowid, reason) of each row whose object the API has created without all of its files. The reason names the
        object, and a ledger has it.

    The local changes are rolled back, except when a SELECT caused the rows to be sent: then the transaction stays open,
    and its COMMIT fails. The lists are complete. The text groups rows with the same reason, and is shortened. Where
    `names` has a name for a row of a list, the text has the name in the place of the rowid.
    """

    def __init__(
        self,
        problem: str,
        *,
        done: list[tuple[int, str]],
        not_done: list[tuple[int, str]],
        unknown: list[tuple[int, str]],
        partial: list[tuple[int, str]],
        names: Sequence[Sequence[str]] = ((), (), (), ()),
    ) -> None:
        lines = [problem]
        everything = [*done, *not_done, *unknown, *partial]
        if len(everything) != 1 or everything[0][1] not in problem:  # the reason of the only row is said once
            for title, rows, of_rows in zip(TITLES, (done, not_done, unknown, partial), names, strict=True):
                lines += _listed(title, rows, of_rows)
        if len(everything) > 1:
            counts = f"{len(done)} done, {len(not_done)} not done, {len(unknown)} unknown"
            lines.append(f"  in all: {counts}, {len(partial)} partial" if partial else f"  in all: {counts}")
        super().__init__("\n".join(lines))
        self.done = done
        self.not_done = not_done
        self.unknown = unknown
        self.partial = partial


def _listed(title: str, rows: list[tuple[int, str]], names: Sequence[str]) -> list[str]:
    """A line for each id or reason, with up to MAX_LISTED of the rows that share it."""
    by_text: dict[str, list[str]] = {}
    for (rowid, text), name in zip(rows, names or [""] * len(rows), strict=True):
        by_text.setdefault(text, []).append(name or (f"row {rowid}" if names else str(rowid)))
    lines = []
    for text, found in list(by_text.items())[:MAX_LISTED]:
        kind = "" if names else "rows " if len(found) > 1 else "row "
        most = MAX_NAMED if names else MAX_LISTED
        more = f" and {len(found) - most} more" if len(found) > most else ""
        lines.append(f"  {title}: {kind}{', '.join(found[:most])}{more}: {text}")
    if len(by_text) > MAX_LISTED:
        lines.append(f"  {title}: … and {len(by_text) - MAX_LISTED} more")
    return lines
