"""The summary of a sync: what was done, which documents failed and why, and the exit status that follows.

>>> Summary("docs", added=["docs/a.md"], unchanged=26).lines()
['docs: 1 added, 0 changed, 26 unchanged, 0 deleted, 0 failed']
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from ..schema.values import sql_literal

DONE, STOPPED, MISUSED, INCOMPLETE = 0, 1, 2, 3  # exit statuses
MAX_LISTED = 100  # documents of each list
MAX_NAMED = 5  # empty files in their line


@dataclass
class Summary:
    """The results of a sync, or the plan of a dry run. The lists hold keys; the dicts have a reason for each key.

    failed: the API could not process the document, or the file cannot be sent.
    unknown: the upload has an unknown outcome.
    unfinished: the API still processes the document.
    empty: the file has no content, which OpenAI refuses: it is skipped.
    notes: whole lines.
    """

    folder: str
    added: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    retried: list[str] = field(default_factory=list)
    deleted: list[str] = field(default_factory=list)
    unchanged: int = 0
    failed: dict[str, str] = field(default_factory=dict)
    unknown: dict[str, str] = field(default_factory=dict)
    unfinished: dict[str, str] = field(default_factory=dict)
    empty: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def fail(self, key: str, reason: str) -> None:
        """Note why a document failed; the key is not repeated in the reason.

        What a statement would have to say instead of the path is left out, too: the sync chooses the path.
        """
        column, _, problem = reason.partition(f"the key {sql_literal(key)}: ")
        if column.endswith(".path of "):
            problem = problem.partition("; write ")[0]
        self.failed[key] = problem or reason

    def skipped(self, keys: Iterable[str]) -> None:
        """Note documents whose files are empty."""
        self.empty.extend(sorted(keys))

    def committed(self, key: str, *, is_new: bool, is_again: bool) -> None:
        """Note a document that was written. `is_again`: it failed the last time, and its file is used again."""
        (self.added if is_new else self.retried if is_again else self.changed).append(key)

    def kept(self, keys: Iterable[str]) -> None:
        """Count those of the known documents that were neither written nor refused nor skipped."""
        self.unchanged = len(set(keys).difference(self.changed, self.retried, self.failed, self.empty))

    def status(self, *, waited: bool = True) -> int:
        """The exit status. Documents that are still processed count only if the sync has waited for them."""
        is_incomplete = self.failed or self.unknown or (waited and self.unfinished)
        return INCOMPLETE if is_incomplete else DONE

    def lines(self, *, is_plan: bool = False) -> list[str]:
        """The summary's lines: the numbers, the notes, and then each document that needs someone's attention."""
        numbers = [
            f"{len(self.added)} {'to add' if is_plan else 'added'}",
            f"{len(self.changed)} {'to change' if is_plan else 'changed'}",
            f"{self.unchanged} unchanged",
            f"{len(self.deleted)} {'to delete' if is_plan else 'deleted'}",
            f"{len(self.failed)} failed",
        ]
        numbers += [f"{len(self.retried)} {'to retry' if is_plan else 'retried'}"] if self.retried else []
        numbers += [f"{len(self.unknown)} unknown"] if self.unknown else []
        numbers += [f"{len(self.unfinished)} in progress"] if self.unfinished else []
        numbers += [f"{len(self.empty)} skipped"] if self.empty else []
        notes = [f"  empty, skipped: {_some(self.empty)}", *self.notes] if self.empty else self.notes
        return [f"{self.folder}: {', '.join(numbers)}", *notes, *self.problems()]

    def problems(self) -> list[str]:
        """A line for each document that failed, whose upload is unknown, or that is unfinished."""
        lines = []
        for title, found in (("failed", self.failed), ("unknown", self.unknown), ("in progress", self.unfinished)):
            lines += _listed(title, [f"{key}: {reason}" if reason else key for key, reason in sorted(found.items())])
        return [*lines, "  to upload what is unknown again: --retry-unknown"] if self.unknown else lines

    def planned(self) -> list[str]:
        """A line for each document that a dry run would add, change, attach again or delete."""
        lines = []
        for title, keys in (
            ("add", self.added),
            ("change", self.changed),
            ("retry", self.retried),
            ("delete", self.deleted),
        ):
            lines += [f"would {title} {key}" for key in keys]
        return lines


def _some(keys: list[str]) -> str:
    more = len(keys) - MAX_NAMED
    return ", ".join(keys[:MAX_NAMED]) + (f" and {more} more" if more > 0 else "")


def _listed(title: str, texts: list[str]) -> list[str]:
    lines = [f"  {title}: {text}" for text in texts[:MAX_LISTED]]
    more = len(texts) - MAX_LISTED
    return [*lines, f"  {title}: … and {more} more"] if more > 0 else lines
