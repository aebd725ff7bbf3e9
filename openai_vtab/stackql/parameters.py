"""StackQL's parameters that are no columns here: settings of the connection, and the parts of a request for a list.

>>> refuse_setting("OpenAI-Project", "EXEC …")
Traceback (most recent call last):
openai_vtab.errors.ProgrammingError: EXEC …: OpenAI-Project is the setting project here; …
"""

from __future__ import annotations

from collections.abc import Sequence

from ..errors import ProgrammingError
from ..sqlite.tokens import Token

SETTINGS = {
    "openai-organization": ("organization", "OPENAI_ORG_ID"),
    "openai-project": ("project", "OPENAI_PROJECT_ID"),
}
OF_A_LIST = {
    "LIMIT": "write LIMIT {value} at the end of the query instead",
    "ORDER": "write ORDER BY created_at {value} at the end of the query instead",
    "AFTER": "leave it out, because all pages are read",
    "BEFORE": "leave it out, because all pages are read",
    "FILTER": "write status = {literal} instead",
}


def refuse_setting(name: str, place: str) -> None:
    """Raise ProgrammingError for a parameter that is a setting here."""
    if name.lower() in SETTINGS:
        setting, variable = SETTINGS[name.lower()]
        raise ProgrammingError(
            f"{place}: {name} is the setting {setting} here; leave it out, and set {variable} or write "
            f"connect({setting}=…)"
        )


def refuse_parameters(code: Sequence[Token], place: str) -> None:
    """Raise ProgrammingError for the parameters in a statement without comments that names a resource."""
    for at, token in enumerate(code[:-3]):
        second, third, fourth = code[at + 1 : at + 4]
        if second.text == "-":
            refuse_setting(f"{token.text}-{third.text}", place)
        is_condition = token.upper in ("WHERE", "AND", "OR") and third.text == "="
        if is_condition and second.kind == "word" and second.upper in OF_A_LIST:
            advice = OF_A_LIST[second.upper].format(value=fourth.text.strip("'").upper(), literal=fourth.text)
            raise ProgrammingError(f"{place}: {second.text} = … is a parameter of StackQL's; {advice}")
