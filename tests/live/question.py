"""A question about the API, and the list in which it is asked.

>>> QUESTIONS = Questions()
>>> @QUESTIONS.ask("Do new attributes replace the old ones?", "replaced", source="no document", fix_in="sandbox/…")
... def replaced_attributes(world: World) -> str:
...     '''UPDATE vector_store_files SET attributes = …'''
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .prices import NOTHING, Cost

if TYPE_CHECKING:
    from .world import World


class Unanswered(Exception):  # noqa: N818 - the reason why a question has no answer
    """What the question needs has not come about."""


@dataclass(frozen=True)
class Question:
    """A question, and what the sandbox and the cassettes say.

    text: the question. done: how it is asked. expected: what the sandbox answers. source: where that is known from.
    fix_in: what must change if the API answers otherwise. asking: asks it, and returns what was seen.
    """

    text: str
    done: str
    expected: Any
    source: str
    fix_in: str
    asking: Callable[[World], Any]
    cost: Cost = NOTHING


class Questions(list[Question]):
    """Questions in the order in which they are asked."""

    def ask(
        self, text: str, expected: Any, *, source: str, fix_in: str, cost: Cost = NOTHING
    ) -> Callable[[Callable[[World], Any]], None]:
        """Return a decorator that adds a question. The function's docstring says how it is asked."""

        def add(asking: Callable[[World], Any]) -> None:
            done = (asking.__doc__ or "").strip()
            self.append(Question(text, done, expected, source, fix_in, asking, cost))

        return add


@dataclass(frozen=True)
class Finding:
    """What was seen. `reason` says why there is no answer, "" if there is one."""

    question: Question
    seen: Any
    reason: str = ""

    @property
    def differs(self) -> bool:
        """Whether the API answers otherwise than expected."""
        return not self.reason and self.seen != self.question.expected
