"""Settles a 404 that does not tell whether the object or the address is unknown: is the API at that address at all?

A response that only the API gives proves a route for the life of the connection, so that a look at the parent is
needed once for each route at most, and usually never. A look that proves nothing is remembered for its statement.

>>> refuse_unless_reached(session, request, response)    # returns: no such object; raises: base_url may be wrong
"""

from __future__ import annotations

from .. import protocol
from ..errors import APIError
from ..protocol import Request, Response
from .statement import NOT_READ, StatementSession


def refuse_unless_reached(session: StatementSession, request: Request, response: Response) -> None:
    """Return if an undecided 404 came from the API, so that the object is absent. Raises APIError otherwise."""
    _look_above(session, request)
    if request.route in session.not_reached:
        raise protocol.undecided(request, response, session.not_reached[request.route])


def _look_above(session: StatementSession, request: Request) -> None:
    """Note the request's route in `reached` or in `not_reached`, after a look at its parent where that is needed.

    A parent whose own 404 is undecided is settled by its parent: some servers say "Not found" of every absent object.
    """
    reached, not_reached = session.workers.reached, session.not_reached
    route, parent = request.route, protocol.above(request)
    if route in reached or route in not_reached:
        return
    if parent.route not in reached and parent.route not in not_reached:
        _look_at(session, parent)
    if parent.route in reached:
        reached.add(route)
    else:
        not_reached[route] = not_reached[parent.route]


def _look_at(session: StatementSession, parent: Request) -> None:
    """Send the GET of the parent, and note that its route was reached, or why not."""
    try:
        response = session.response(parent)
        if not protocol.is_undecided(parent, response):
            protocol.prove(parent, response)
    except NOT_READ as error:
        hint = error.hint if isinstance(error, APIError) else ""
        session.not_reached[parent.route] = str(error).removesuffix(f"; {hint}")
        return
    if protocol.is_undecided(parent, response):
        _look_above(session, parent)
    else:
        session.workers.reached.add(parent.route)
