"""Why an exchange had no response, as a value: an exception would carry a traceback, whose frames have the API key.

>>> Failure("Connection refused", sent=False, is_local=True).problem
'Connection refused'
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Failure:
    """Why there is no response.

    sent: False if the request certainly never left this machine.
    advice: what to change, if another attempt would fail in the same way.
    hint: what to check, if it is not base_url.
    is_local: the words are OpenSSL's or the operating system's, not a server's.
    status: the status of a response that was too long to read.
    """

    problem: str
    sent: bool
    timed_out: bool = False
    advice: str = ""
    hint: str = ""
    is_local: bool = False
    status: int | None = None
