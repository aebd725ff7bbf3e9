"""Bulk reading: when the pages of a list are cheaper than a look-up for each key. A pure rule.

A statement needs `missing` objects of one list: the values of an IN list, or what read-ahead has predicted. One by one,
`concurrency` look-ups are in flight at a time, each for `look_up` seconds. The pages of the list come one after the
other, each after `page` seconds, because a page begins after the last id of the page before. So

    one by one takes      ceil(missing / concurrency) * look_up
    pages in turn take    ceil(missing / found) * page            if each finds as many of the keys as the latest ones

Before a page has come, nothing tells where in the list the keys are, or whether they are in it. Hence four rules:

1. The first page is a bet. It may find nothing, and then the statement is later by one page. So it must take at most
   half of the time that one by one takes.
2. After each page, pages and look-ups are compared again. Time decides first; if both take about the same, the fewer
   requests win. Another page is requested only while those before have taken hardly longer than the look-ups that they
   have made unnecessary. So no statement is later by more than about one page.
3. At most a tenth more requests. A page is requested only if the statement, should that page find nothing, has sent at
   most a tenth more requests than one by one. So below 10 keys no page is ever requested.
4. Absence proves nothing: a list has been seen to lack objects that exist. What the pages did not have is looked up.
   https://github.com/openai/openai-python/issues/2209

Seconds are those that the connection has observed. If it has not seen a page of the list yet, a page is taken to last
as long as ASSUMED_PAGE look-ups: a page of 10,000 files has megabytes, but most accounts do not fill it.

>>> next_page_pays(BulkState(missing=958), Seconds(look_up=0.05), concurrency=16)
True
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

MOST_EXTRA_REQUESTS = 0.1  # of the keys
FIRST_PAGE_SHARE = 0.5  # of the time that the look-ups take: the most that the first page may take
ABOUT_THE_SAME = 1.5  # times the other: two estimates that differ by less do not decide
LATE = 0.25  # of a page: how late the pages so far may have made the statement, when another one is requested
LATE_PAGE = 2  # times what a page was expected to take: nobody waits longer, unless the look-ups take longer still
ASSUMED_PAGE = 1.5  # look-ups
ASSUMED_LOOK_UP = 0.1  # seconds, before the connection has had any response


@dataclass
class BulkState:
    """How far the pages of one list have come.

    missing: how many objects of the list are needed that no page has had, and that no look-up has been sent for.
    pages: how many pages have come.
    saved: how many look-ups they have made unnecessary.
    found: how many of the keys a page finds: an average in which each page counts as much as all pages before it.
    """

    missing: int = 0
    pages: int = 0
    saved: int = 0
    found: float = 0.0

    def need(self, missing: int) -> None:
        """So many objects are missing now."""
        self.missing = missing

    def add_page(self, found: int) -> None:
        """Count a page that had `found` of the missing keys."""
        self.found = (self.found + found) / 2 if self.pages else found
        self.pages += 1
        self.saved += found
        self.missing -= found


@dataclass(frozen=True)
class Seconds:
    """How long requests take at this connection, as observed; None if it has not observed one."""

    look_up: float | None = None
    page: float | None = None


def patience(state: BulkState, observed: Seconds, concurrency: int) -> float:
    """How many seconds to wait for a page before the look-ups begin without it: as long as they take."""
    look_up, page = _expected(observed)
    return max(_one_by_one(state, look_up, concurrency), LATE_PAGE * page)


def next_page_pays(state: BulkState, observed: Seconds, concurrency: int) -> bool:
    """Whether to request the next page of a list."""
    keys = state.saved + state.missing
    if not state.missing or state.pages + 1 - state.saved > keys * MOST_EXTRA_REQUESTS:
        return False
    look_up, page = _expected(observed)
    one_by_one = _one_by_one(state, look_up, concurrency)
    if not state.pages:
        return page <= FIRST_PAGE_SHARE * one_by_one
    late = state.pages * page - state.saved / concurrency * look_up
    if not state.found or late > LATE * page:
        return False
    pages = ceil(state.missing / state.found)
    return pages < state.missing and pages * page <= ABOUT_THE_SAME * one_by_one


def _expected(observed: Seconds) -> tuple[float, float]:
    """How many seconds a look-up and a page will take."""
    # without an observed look-up, the page is the only hint: a look-up hardly takes longer
    look_up = observed.look_up or observed.page or ASSUMED_LOOK_UP
    return look_up, observed.page or ASSUMED_PAGE * look_up


def _one_by_one(state: BulkState, look_up: float, concurrency: int) -> float:
    """How many seconds the look-ups take that are missing."""
    return ceil(state.missing / concurrency) * look_up
