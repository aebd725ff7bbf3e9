"""Asks the questions one after another, each only if the budget allows it.

>>> list(run(QUESTIONS, world, Budget(0.10), print))
[Finding(…), …]
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import apsw

import openai_vtab

from .prices import Budget
from .question import Finding, Question, Unanswered
from .world import World

# An answer of another form than a question expects is an answer all the same.
NO_ANSWER = (Unanswered, openai_vtab.Error, apsw.Error)
OTHER_FORM = (KeyError, IndexError, TypeError, ValueError, AttributeError)


def run(questions: Iterable[Question], world: World, budget: Budget, tell: Callable[[str], None]) -> Iterator[Finding]:
    """Ask the questions. Raises BudgetExceeded before a step that costs too much, and Stopped after a signal."""
    for question in questions:
        budget.charge(question.cost, question.text, world.client.searches)
        world.pause(0)
        finding = _asked(question, world)
        tell(f"{'no answer' if finding.reason else 'DIFFERS' if finding.differs else 'as expected':12}{question.text}")
        yield finding


def _asked(question: Question, world: World) -> Finding:
    try:
        return Finding(question, question.asking(world))
    except NO_ANSWER as error:
        return Finding(question, None, f"{type(error).__name__}: {error}".removeprefix("Unanswered: "))
    except OTHER_FORM as error:
        return Finding(question, f"a response of another form ({type(error).__name__}: {error})")
