"""Lists in a replay: a list that an earlier replay of the statement has walked continues where that one ended.

Otherwise the replays of a long list would take quadratic time, because each page causes another one.

>>> ReplayedListReader(rows, recorder, 100_000, joined)
"""

from __future__ import annotations

from ..execution.statement import ListPosition
from ..protocol import PageParameters, Request
from .listing import Joined, ListReader, as_they_stand
from .replay import RequestRecorder
from .row_identity import RowIdentities


class ReplayedListReader(ListReader):
    """Reads lists in a replay.

    It leaves out the pages of which an earlier replay has recorded everything. If SQLite reads the whole list before it
    looks up anything, as for ORDER BY, no page is left out: nothing is recorded while it reads. Only the first scan of
    a list leaves pages out, because another one may be that of another row of a join.
    """

    def __init__(self, rows: RowIdentities, recorder: RequestRecorder, max_rows: int, joined: Joined) -> None:
        super().__init__(rows, recorder, as_they_stand, max_rows, joined)
        self._recorder = recorder
        self._recorded = 0  # when the scan began

    def _begin(self, first: Request, page: PageParameters | None) -> ListPosition:
        self._recorded = self._recorder.recorded
        return self._recorder.begin_list(first, page)

    def _end_page(self, first: Request, following: ListPosition) -> None:
        if self._recorder.recorded > self._recorded:
            self._recorder.end_page(first, following)
