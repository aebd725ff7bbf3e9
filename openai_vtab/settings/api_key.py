"""The API key that the setting `api_key` stands for: a text, the result of a function, or an environment variable.

The functions take the setting as Settings keeps it: a Secret, or None or "" for the environment variable.

>>> read_key(Settings(api_key="sk-…").api_key)
'sk-…'
"""

from __future__ import annotations

import os

from ..errors import ConfigurationError
from .keywords import Key
from .secret import Secret, fits_header

VARIABLE = "OPENAI_API_KEY"
NO_KEY = f"no API key: set {VARIABLE}, or give api_key= to connect() or register()"


def read_key(given: Key) -> str:
    """Return the key, for a header. A function is called for it.

    Raises ConfigurationError, which holds the key neither in its message nor in the locals of its traceback.
    """
    problem = ""
    key: object = None
    try:
        key = given() if callable(given) else os.environ.get(VARIABLE)
    except Exception as error:  # the traceback has the locals of the function, which may hold a key
        problem = f"{error} ({type(error).__name__}, raised by the function given as api_key)".lstrip()
    if isinstance(key, str) and key and fits_header(key):
        return key
    if not problem:
        problem = (
            f"the function given as api_key has returned {type(key).__name__}; return a str"
            if key is not None and not isinstance(key, str)
            else "the API key has characters that no HTTP header may have (a line break or a space at its end?)"
            if key
            else NO_KEY
        )
    del key
    raise ConfigurationError(problem)


def known_key(given: Key) -> str:
    """Return the key if it is known without calling a function; "" if it is not, or cannot be sent."""
    if is_function(given):
        return ""
    key: object = given() if callable(given) else os.environ.get(VARIABLE, "")
    return str(key) if fits_header(key) else ""


def key_origin(given: Key) -> str:
    """Return where the key comes from, for an error message."""
    if given is None:
        return f"the environment variable {VARIABLE}"
    return "the function given as api_key" if is_function(given) else "the setting api_key"


def is_function(given: Key) -> bool:
    """Return whether a function returns the key, which may then change from request to request."""
    return isinstance(given, Secret) and given.is_function
