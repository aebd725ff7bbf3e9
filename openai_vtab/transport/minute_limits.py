"""OpenAI's limits per minute on uploads and attached files: what a request counts for, and the wait for its minute.

>>> limits = MinuteLimits(Settings(uploads_per_minute=1000))
>>> counted = limits.wait(request, cancelled)
>>> counted.release()               # the request never left
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from functools import partial

from ..clock import REAL, Clock
from ..protocol import Request
from ..protocol.multipart import Upload
from ..settings import Settings
from .limits import CancelFlag, Limit, MinuteQuota

log = logging.getLogger("openai_vtab")

UPLOADS, ATTACH_REQUESTS, ATTACH_FILES = "uploads_per_minute", "attach_requests_per_minute", "attach_files_per_minute"
LONGEST_COUNTED_AHEAD = 0.5  # seconds: by so much MINUTE is longer than the server's minute, with some to spare


class MinuteLimits:
    """The limits per minute of one connection; used from many threads."""

    def __init__(self, settings: Settings, clock: Clock = REAL) -> None:
        self._settings = settings
        self._clock = clock
        names = (UPLOADS, ATTACH_REQUESTS, ATTACH_FILES)
        self._quota = MinuteQuota({name: getattr(settings, name) for name in names}, clock)
        self.nothing = Counted(self._quota, clock, {}, 0.0)  # what a request that only reads counts for

    def wait(self, request: Request, cancelled: CancelFlag) -> Counted | None:
        """Wait until the limits allow the request, and count it. Returns None if `cancelled` is set.

        The wait budget of the statement is not charged.
        """
        if request.attached_files is not None:
            store, files = request.attached_files
            amounts = {(ATTACH_REQUESTS, store): 1, (ATTACH_FILES, ""): files}
        elif isinstance(request.body, Upload):
            amounts = {(UPLOADS, ""): 1}
        else:
            return self.nothing
        at = self._quota.acquire(amounts, cancelled, partial(self._tell_wait, request))
        return None if at is None else Counted(self._quota, self._clock, amounts, at)

    def _tell_wait(self, request: Request, seconds: float) -> None:
        """Log that a request waits."""
        settings = self._settings
        if request.attached_files is None:
            most = settings.uploads_per_minute
            log.info("waiting %.0f s to upload: at most %d files in a minute (uploads_per_minute)", seconds, most)
            return
        store, files = request.attached_files
        log.info(
            "waiting %.0f s to attach %d more files to %s: at most %d requests to one vector store and "
            "%d files in a minute (attach_requests_per_minute, attach_files_per_minute)",
            seconds,
            files,
            store or "a new vector store",
            settings.attach_requests_per_minute,
            settings.attach_files_per_minute,
        )


class Counted:
    """What a request has counted for the limits, and when."""

    __slots__ = ("_amounts", "_at", "_clock", "_quota")

    def __init__(self, quota: MinuteQuota, clock: Clock, amounts: Mapping[Limit, int], at: float) -> None:
        self._quota = quota
        self._clock = clock
        self._amounts = amounts
        self._at = at

    def recount(self) -> None:
        """Count the request in the present minute, if it has waited for its turn since it was counted."""
        if self._amounts and self._clock.monotonic() - self._at > LONGEST_COUNTED_AHEAD:
            self._at = self._quota.recount(self._amounts, self._at)

    def release(self) -> None:
        """Take it back: the request never left."""
        if self._amounts:
            self._quota.release(self._amounts, self._at)
