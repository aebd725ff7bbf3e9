"""The settings of a connection: their types, defaults, documentation, checks, and where each can be given.

To add a setting, describe it once in settings.py and name its type in keywords.py.
"""

from .address import DEFAULT_BASE_URL, stays_here
from .api_key import NO_KEY, is_function, key_origin, known_key, read_key
from .description import Option, Setting, described, table
from .keywords import Keywords, SharedKeywords
from .names import KEYWORDS, instead, refuse_unknown
from .secret import Secret, hide_secrets, revealed
from .settings import Settings

__all__ = [
    "DEFAULT_BASE_URL",
    "KEYWORDS",
    "NO_KEY",
    "Keywords",
    "Option",
    "Secret",
    "Setting",
    "Settings",
    "SharedKeywords",
    "described",
    "hide_secrets",
    "instead",
    "is_function",
    "key_origin",
    "known_key",
    "read_key",
    "refuse_unknown",
    "revealed",
    "stays_here",
    "table",
]
