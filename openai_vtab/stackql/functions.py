"""StackQL's functions that SQLite does not have: what to write instead, with the arguments of the refused call.

>>> instead("split_part", "SELECT split_part(id, '_', 2) FROM t")
"write json_extract('[\\"' || replace(id, '_', '\\",\\"') || '\\"]', '$[#-1]'), …"
"""

from __future__ import annotations

from ..sqlite.tokens import Token, tokens

# Each function's parameters, and the SQL to write instead, where {0} stands for the first argument.
INSTEAD = {
    "split_part": (
        ("source", "separator", "part"),
        """json_extract('["' || replace({0}, {1}, '","') || '"]', '$[' || ({2} - 1) || ']')""",
    ),
    "regexp_like": (("source", "pattern"), "{0} LIKE '%…%' or {0} GLOB '*…*'"),
    "regexp": (("pattern", "source"), "{1} LIKE '%…%' or {1} GLOB '*…*'"),
    "regexp_replace": (("source", "pattern", "replacement"), "replace({0}, '…', {2}), with a text in place of {1}"),
    "regexp_substr": (("source", "pattern"), "substr({0}, instr({0}, '…')), with a text in place of {1}"),
    "json_equal": (("first", "second"), "json({0}) = json({1})"),
    "sleep": (("seconds",), "WHERE … AND wait_seconds = {0} in a query of a batch, which waits until it has finished"),
}


def instead(name: str, sql: str) -> str:
    """Return what to write instead of the function in this statement; "" if StackQL has no function of this name."""
    if name.lower() not in INSTEAD:
        return ""
    parameters, expression = INSTEAD[name.lower()]
    given = _arguments(name, sql)
    return f"write {expression.format(*(given if len(given) == len(parameters) else parameters))}"


def _arguments(name: str, sql: str) -> list[str]:
    """The texts of the arguments in the first call of the function; [] if the statement has no call of it."""
    code = [token for token in tokens(sql) if token.kind != "comment"]
    called = [
        at for at, token in enumerate(code[:-1]) if token.name.lower() == name.lower() and code[at + 1].text == "("
    ]
    if not called:
        return []
    found: list[list[Token]] = [[]]
    depth = 0
    for token in code[called[0] + 2 :]:
        depth += {"(": 1, ")": -1}.get(token.text, 0)
        if depth < 0:
            break
        if token.text == "," and not depth:
            found.append([])
        else:
            found[-1].append(token)
    return [sql[each[0].start : each[-1].end] for each in found if each]
