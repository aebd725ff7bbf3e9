"""The settings of one connection, checked when they are made.

The key is first needed at the first request: a program without one can still open its database.

>>> Settings(base_url="http://127.0.0.1:8080/v1", max_concurrency=4)
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, Self

from ..errors import ConfigurationError, InterfaceError
from ..progress import Progress
from .address import checked_base_url, is_azure, stays_here
from .api_key import is_function
from .description import Option, described, documented, setting
from .keywords import Key, StrPath
from .kinds import Choice, FilePath, Flag, Folder, Header, Headers, Kind, Number, Parameters, ProgressFunction, Text
from .secret import Secret, hide_secrets

MAX_TIMEOUT = 86400  # seconds; a socket cannot wait for more than 24 days
MAX_CONCURRENCY = 1000  # each request in flight has a thread and a connection


@documented
@dataclass(frozen=True)
class Settings:
    """All settings, with their defaults."""

    api_key: Key = setting(
        None,
        Kind(),
        "The key, or a function that returns the key. The function is called for every request.",
        environment="OPENAI_API_KEY",
        url_name="",
        repr=False,
    )
    base_url: str | None = setting(
        None,
        Text(),
        "The address of the API, https://api.openai.com/v1 when unset. For Azure, "
        "`https://NAME.openai.azure.com/openai/v1`. A query, such as `?api-version=…`, becomes `default_query`.",
        environment="OPENAI_BASE_URL",
        option=Option(
            "base-url",
            "the API's address (default: OPENAI_BASE_URL, or https://api.openai.com/v1)",
            argument="URL",
        ),
    )
    auth: Literal["auto", "bearer", "api-key"] = setting(
        "auto",
        Choice(("auto", "bearer", "api-key")),
        "The header that carries the key: `bearer` for `Authorization: Bearer …`, `api-key` for Azure's. `auto` takes "
        "`api-key` at `*.azure.com`, `*.azure.us`, `*.azure.cn` and `*.azure-api.net`, unless `api_key` is a function, "
        "which returns an Entra ID token there; otherwise `bearer`.",
        option=Option("auth", "the header that carries the key: auto (default), bearer or api-key", argument="HOW"),
    )
    organization: str | None = setting(
        None, Header(), "Sent as the header OpenAI-Organization.", environment="OPENAI_ORG_ID"
    )
    project: str | None = setting(None, Header(), "Sent as the header OpenAI-Project.", environment="OPENAI_PROJECT_ID")
    default_headers: Mapping[str, str] | None = setting(
        None,
        Headers(),
        "Headers for every request, such as a gateway's, as a dict. Those of the environment variable, with a line "
        "`Name: value` for each, are sent as well. They cannot replace the key, and no log shows them.",
        environment="OPENAI_CUSTOM_HEADERS",
        url_name="",
        repr=False,
    )
    default_query: Mapping[str, str] | None = setting(
        None,
        Parameters(),
        "Parameters for the query of every request, as a dict; a request's own parameters win. No log shows them. "
        "`after`, `before`, `filter` and `purpose` are refused: they would make lists incomplete.",
        url_name="",
        repr=False,
    )
    timeout: float = setting(
        30.0,
        Number(0.001, MAX_TIMEOUT),
        "Seconds for one request as a whole, however slowly its response arrives; one second more for each 100 KB of "
        "an upload. Up to 86,400, a day.",
        url_name="request_timeout",
    )
    max_concurrency: int = setting(
        16,
        Number(1, MAX_CONCURRENCY, is_whole=True),
        "Requests in flight, and connections kept open; up to 1,000. If it is above 1, a large COMMIT may open more "
        "connections ahead.",
    )
    max_retries: int = setting(
        4,
        Number(0, sys.maxsize, is_whole=True),
        "How often a request is retried, where a retry is safe. An INSERT is retried only when the first attempt "
        "certainly had no effect.",
    )
    rate_limit_wait: float = setting(
        300.0, Number(0), "The total number of seconds that one statement may wait because of 429 responses."
    )
    uploads_per_minute: int = setting(
        1000,
        Number(0, sys.maxsize, is_whole=True),
        "Files uploaded per minute. A large INSERT slows down instead of being refused. 0 means no limit.",
    )
    attach_requests_per_minute: int = setting(
        300,
        Number(0, sys.maxsize, is_whole=True),
        "Requests per minute that attach files to one vector store. A large INSERT slows down instead of being "
        "refused. 0 means no limit.",
    )
    attach_files_per_minute: int = setting(
        2000,
        Number(0, sys.maxsize, is_whole=True),
        "Files attached per minute, in all stores together. 0 means no limit.",
    )
    max_files_per_batch: int = setting(
        2000, Number(1, sys.maxsize, is_whole=True), "OpenAI's limit. A compatible server may have another."
    )
    page_size: int | None = setting(
        None,
        Number(1, sys.maxsize, is_whole=True, is_optional=True),
        "How many objects to request in a page of a list. None requests the most that OpenAI allows (10,000 for "
        "`files`, otherwise 100), and fewer from a server that refuses that.",
    )
    strict: bool = setting(
        True,
        Flag(),
        "Refuse values of JSON columns that OpenAI would refuse, and more than 50 results of a search. False sends "
        "them, for a compatible server that takes more: "
        "[Compatible servers](docs/guides/compatible-servers.md).",
        option=Option(
            "no-strict",
            "send JSON and numbers that OpenAI would refuse, to a server that takes more than OpenAI's",
            value=False,
        ),
    )
    max_answer_bytes: int = setting(
        64 * 1024 * 1024, Number(1, sys.maxsize, is_whole=True), "A longer response, unpacked, raises an error."
    )
    max_rows: int = setting(
        1_000_000,
        Number(1, sys.maxsize, is_whole=True),
        "A longer list raises an error: an endless one would fill the memory.",
    )
    openai_beta: str | None = setting(
        "assistants=v2", Header(), "The OpenAI-Beta header for vector stores. None sends no such header."
    )
    ca_bundle: StrPath | None = setting(
        None, FilePath(), "A file or folder of certificates to trust instead of the default ones."
    )
    allow_http: bool = setting(
        False,
        Flag(),
        "Allow http:// to hosts other than this machine. The key then travels unencrypted.",
        option=Option(
            "allow-http", "allow http:// to hosts other than this machine: the key travels unencrypted", value=True
        ),
    )
    read_ahead: bool = setting(True, Flag(), "Request the keys of a join ahead of SQLite, concurrently.")
    bulk_reading: bool = setting(
        True, Flag(), "Read the pages of a list instead of many single objects, where that is faster."
    )
    upload_root: StrPath | None = setting(
        None,
        Folder(),
        "The folder whose files `fsdir()`, `readfile()` and the column `path` of an INSERT may read; None or an "
        "empty text for none. In the shell, it is the current directory unless `--upload-root` is given.",
        option=Option(
            "upload-root",
            "the folder whose files fsdir(), readfile() and the column path of an INSERT may read (default: the "
            "current directory; '' for none)",
            argument="DIR",
        ),
    )
    dry_run: bool = setting(
        False,
        Flag(),
        "Send nothing; show each request that would be sent: [What a query sends](docs/guides/requests.md#a-dry-run).",
        option=Option("dry-run", "send nothing; show the method, path and body of each request instead", value=True),
    )
    read_only: bool = setting(
        False,
        Flag(),
        "Refuse everything that would change something at the API: INSERT, UPDATE, DELETE, and the SQL function that "
        "cancels a batch.",
        option=Option("read-only", "refuse statements that would change something at the API", value=True),
    )
    allow_unbounded_writes: bool = setting(
        False,
        Flag(),
        "Allow DELETE and UPDATE without WHERE on `files` and `vector_stores`. Such a statement would change all that "
        "the API lists, so it is refused unless this is set. `WHERE true` also says that it is meant.",
        option=Option(
            "allow-unbounded-writes",
            "carry out DELETE and UPDATE without WHERE on files and vector_stores instead of refusing them",
            value=True,
        ),
    )
    errors: Literal["raise", "row"] = setting(
        "raise",
        Choice(("raise", "row")),
        "With `row`, a key that cannot be read becomes a row with the reason in its column `error`, and all other "
        "rows are still returned.",
        option=Option(
            "errors-as-rows",
            "return a row for an object that could not be read: its keys, and the reason in the column error",
            value="row",
        ),
    )
    progress: Callable[[Progress], None] | None = setting(
        None,
        ProgressFunction(),
        "A function that receives the progress of a statement: keys, pages, batches, rows written. See "
        "[Progress](docs/guides/requests.md#progress).",
        url_name="",
    )

    def __post_init__(self) -> None:
        hide_secrets(self.__dict__)
        if isinstance(self.api_key, Secret) and self.api_key.problem:
            raise InterfaceError(self.api_key.problem)
        for name, found in described(Settings).items():
            found.check(getattr(self, name))
        self.checked_base_url()
        (carries_key,) = self.key_header("")
        if clash := next((name for name in self.default_headers or () if name.lower() == carries_key.lower()), ""):
            raise ConfigurationError(
                f"default_headers (or OPENAI_CUSTOM_HEADERS) has {clash!r}, the header that carries the key; give the "
                "key as api_key= instead"
            )

    def with_environment(self) -> Self:
        """The same settings, where those that are unset have the values of the environment's variables.

        The key is not among them: it is read at the first request.
        """
        values = dict(self.__dict__)
        for name, found in described(Settings).items():
            if found.environment and name != "api_key":
                values[name] = found.kind.with_environment(values[name], os.environ.get(found.environment, ""))
        return type(self)(**values)

    def checked_base_url(self) -> str:
        """The base URL without a slash at its end. Raises ConfigurationError."""
        return checked_base_url(self.base_url, self.allow_http)

    @property
    def stays_here(self) -> bool:
        """Whether requests travel unencrypted, but never leave this machine."""
        return stays_here(self.checked_base_url())

    def key_header(self, key: str) -> dict[str, str]:
        """The header that carries the key: Azure's for a key of Azure's, otherwise Authorization."""
        is_azures = self.auth == "api-key" or (
            self.auth == "auto" and is_azure(self.base_url) and not is_function(self.api_key)
        )
        return {"api-key": key} if is_azures else {"Authorization": f"Bearer {key}"}

    def account_headers(self) -> dict[str, str]:
        """The headers that name the organization and the project, when they are set."""
        account = {"OpenAI-Organization": self.organization, "OpenAI-Project": self.project}
        return {name: value for name, value in account.items() if value}

    def without_overridden(self, headers: Mapping[str, str]) -> dict[str, str]:
        """The headers without those that the user's default_headers replace."""
        given = {name.lower() for name in self.default_headers or ()}
        return {name: value for name, value in headers.items() if name.lower() not in given}
