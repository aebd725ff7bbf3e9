"""Settles a 404 that does not tell whether the object or the address is unknown: is the API at that address at all?

A response that only the API gives proves a route for the life of the connection, so that a look at the parent is
needed once for each route at most, and usually never. A look that proves nothing is remembered for its statement.

>>> refuse_unless_reached(asking, request, response)    # returns: the object is absent; raises: base_url may be wrong
"""

from __future__ import annotations

from . import api
from .api import Request, Response
from .fetch import NOT_READ, Asking


def refuse_unless_reached(asking: Asking, request: Request, response: Response) -> None:
    """Return if an undecided 404 came from the API, so that the object is absent. Raises APIError otherwise."""
    _look_above(asking, request)
    if request.route in asking.not_reached:
        raise api.undecided(request, response, asking.not_reached[request.route])


def _look_above(asking: Asking, request: Request) -> None:
    """Note the request's route in `reached` or in `not_reached`, after a look at its parent where that is needed.

    A parent whose own 404 is undecided is settled by its parent: to some servers, all that is absent is "Not found".
    """
    reached, not_reached = asking.fetch.reached, asking.not_reached
    route, parent = request.route, api.above(request)
    if route in reached or route in not_reached:
        return
    if parent.route not in reached and parent.route not in not_reached:
        _look_at(asking, parent)
    if parent.route in reached:
        reached.add(route)
    else:
        not_reached[route] = not_reached[parent.route]


def _look_at(asking: Asking, parent: Request) -> None:
    """Send the GET of the parent, and record that its route was reached, or why not."""
    try:
        response = asking.answer(parent)
        if not api.is_undecided(parent, response):
            api.prove(parent, response)
    except NOT_READ as error:
        hint = getattr(error, "hint", "")
        asking.not_reached[parent.route] = str(error).removesuffix(f"; {hint}")
        return
    if api.is_undecided(parent, response):
        _look_above(asking, parent)
    else:
        asking.fetch.reached.add(parent.route)
