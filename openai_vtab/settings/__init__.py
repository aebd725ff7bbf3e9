"""The settings of a connection: their types, defaults, documentation, checks, and where each can be given.

To add a setting, describe it once in settings.py and name its type in keywords.py.
"""

from .address import DEFAULT_BASE_URL, stays_here
from .description import Option, Setting, described, table
from .keywords import Keywords, Shared
from .names import KEYWORDS, instead, refuse_unknown
from .secret import Secret, hide_key, revealed
from .settings import Settings

__all__ = [
    "DEFAULT_BASE_URL",
    "KEYWORDS",
    "Keywords",
    "Option",
    "Secret",
    "Setting",
    "Settings",
    "Shared",
    "described",
    "hide_key",
    "instead",
    "refuse_unknown",
    "revealed",
    "stays_here",
    "table",
]
