"""The key that the setting api_key, or else the environment variable OPENAI_API_KEY, gives.

>>> sent_key(None)      # of the environment
'sk-…'
"""

from __future__ import annotations

import os
from typing import Any

from ..errors import ConfigurationError
from .secret import Secret, fits_header


def known_key(given: Any) -> str:
    """The key if it is known without calling a function; "" when it is not, or cannot be sent."""
    if isinstance(given, Secret) and given.is_function:
        return ""
    key = given() if isinstance(given, Secret) else os.environ.get("OPENAI_API_KEY", "")
    return str(key) if fits_header(key) else ""


def sent_key(given: Any) -> str:
    """The key, for a header.

    Raises ConfigurationError, which holds the key neither in its message nor in the locals of its traceback.
    """
    problem = ""
    key: object = None
    try:
        key = given() if callable(given) else os.environ.get("OPENAI_API_KEY")
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
            else "no API key: set OPENAI_API_KEY, or give api_key= to connect() or register()"
        )
    del key
    raise ConfigurationError(problem)


def key_origin(given: Any) -> str:
    """Where the key comes from, for an error message."""
    if given is None:
        return "the environment variable OPENAI_API_KEY"
    is_function = isinstance(given, Secret) and given.is_function
    return "the function given as api_key" if is_function else "the setting api_key"
