"""The plan of a sync: which keys are new, which are known, and which are gone from the folder.

>>> plan = make_plan(listed={"docs/a.md", "docs/b.md"}, known={"docs/b.md", "docs/c.md", "faq"}, covers=is_below_docs)
>>> plan.new, plan.kept, plan.gone
(['docs/a.md'], ['docs/b.md'], ['docs/c.md'])
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

from ..errors import OperationalError


@dataclass(frozen=True, slots=True)
class Plan:
    """The keys of a sync, each list in order.

    new: in the folder, and not in the table.
    kept: in both. Whether the content has changed is not known yet.
    gone: in the table, and not in the folder, although the sync covers the key.
    """

    new: list[str]
    kept: list[str]
    gone: list[str]

    def refuse_many_deletions(self, folder: str, max_delete: int | None) -> None:
        """Raise OperationalError when more documents would be deleted than `max_delete`; None stands for half of them.

        A folder that is not mounted looks like an empty one.
        """
        gone, total = len(self.gone), len(self.gone) + len(self.kept)
        if gone <= (total / 2 if max_delete is None else max_delete):
            return
        limit = "that is more than half of them" if max_delete is None else f"--max-delete allows {max_delete}"
        raise OperationalError(
            f"{gone} of {total} documents are no longer in {folder}, and {limit}. Nothing was sent. Look whether the "
            f"folder is complete; if it is, write --max-delete {gone}"
        )


def make_plan(listed: Collection[str], known: Collection[str], covers: Callable[[str], bool]) -> Plan:
    """Compare the keys that the folder has with those of the table. `covers`: whether the sync may delete a key."""
    there, stored = set(listed), set(known)
    return Plan(
        new=sorted(there - stored),
        kept=sorted(there & stored),
        gone=sorted(key for key in stored - there if covers(key)),
    )
