"""Three-part names where a table stands: each becomes the quoted name of the table's module, and no other text changes.

>>> translated("SELECT id FROM openai.vector_stores.files -- a comment")
'SELECT id FROM "openai.vector_stores.files" -- a comment'

A table stands after FROM, JOIN, INTO and UPDATE, and after a comma in FROM. Everywhere else a.b.c is SQLite's own
schema.table.column. Parentheses are followed: `FROM (a.b.c` and `f(x, a.b.c)` differ by what stands before them.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from ..errors import ProgrammingError
from ..sqlite.tokens import Token
from .names import Resource, resource
from .parameters import refuse_parameters
from .sql import quoted

END_OF_FROM = {"WHERE", "GROUP", "HAVING", "WINDOW", "ORDER", "LIMIT", "UNION", "EXCEPT", "INTERSECT", "RETURNING"}
END_OF_FROM |= {"SET", "VALUES", "SELECT", ";"}
NO_TABLE = {"OR", "SET", "OF", "SELECT", "VALUES"}  # keywords that can follow where a table is expected
OLD_PREFIX = "data__"  # of the columns that StackQL's older pages send


def translated(sql: str, found: Sequence[Token]) -> str:
    """Return the statement with the names of its tables replaced; the same text if it has none of StackQL's.

    Raises ProgrammingError for a name that openai has not, and for a parameter that is no column here.
    """
    code = [token for token in found if token.kind != "comment"]
    edits: list[tuple[int, int, str]] = []
    resources: list[Resource] = []
    columns: dict[int, Resource] = {}
    tables = _tables(code)
    for first, last in tables:
        if last - first < 4:
            continue
        parts = [token.name for token in code[first : last + 1 : 2]]
        place = f"{code[first - 1].upper if code[first - 1].text != ',' else 'FROM …,'} {'.'.join(parts)}"
        resources.append(resource(parts, place))
        refuse_parameters(code[last:], place)
        edits.append((code[first].start, code[last].end, quoted(resources[-1].full, '"')))
        columns |= dict.fromkeys(_written(code, first, last), resources[-1])
    if not edits:
        return sql
    _refuse_long_columns(code, {begin for begin, _, _ in edits})
    # data__NAME elsewhere can be a column of another table, so it is one of these only if there is no other.
    others = resources if len(resources) == len(tables) else []
    for token in code:
        if name := _without_prefix(token, [columns[token.start]] if token.start in columns else others):
            edits.append((token.start, token.end, name))
    text, at = "", 0
    for begin, end, replacement in sorted(edits):
        text += sql[at:begin] + replacement
        at = end
    return text + sql[at:]


def _tables(code: Sequence[Token]) -> list[tuple[int, int]]:
    """The first and the last token of each name that stands where a table stands."""
    tables: list[tuple[int, int]] = []
    outer: list[bool] = []  # for each open parenthesis, whether it stands in FROM
    in_from = False  # whether a comma is followed by a table
    expected = False  # whether a table comes next
    at = 0
    while at < len(code):
        token = code[at]
        if expected and token.name and token.upper not in NO_TABLE:
            last = _end_of_name(code, at)
            tables.append((at, last))
            at, expected = last + 1, False
            continue
        if token.text == "(":
            outer.append(in_from)
            in_from = expected
        elif token.text == ")":
            in_from, expected = (outer.pop() if outer else False), False
        elif token.upper == "FROM":
            # IS DISTINCT FROM compares two expressions.
            expected = not (at > 1 and code[at - 1].upper == "DISTINCT" and code[at - 2].upper in ("IS", "NOT"))
            in_from = in_from or expected
        elif token.upper == "OR" and expected:
            at += 1  # UPDATE OR REPLACE: the second word is no table
        elif token.upper in ("JOIN", "UPDATE", "INTO"):
            expected = not (token.upper == "INTO" and code[0].upper == "VACUUM")
        elif token.text == ",":
            expected = in_from
        else:
            expected = False
            in_from = in_from and token.upper not in END_OF_FROM
        at += 1
    return tables


def _written(code: Sequence[Token], first: int, last: int) -> list[int]:
    """Where the columns begin that an INSERT or an UPDATE of this table writes."""
    at = last + 1
    if at < len(code) and code[at].upper == "AS":
        at += 2
    is_insert = code[first - 1].upper == "INTO"
    if at >= len(code) or code[at].upper != ("(" if is_insert else "SET"):
        return []
    found: list[int] = []
    depth, is_target = int(is_insert), True
    for token in code[at + 1 :]:
        depth += {"(": 1, ")": -1}.get(token.upper, 0)
        if depth < is_insert or (not depth and token.upper in ("FROM", "WHERE", "RETURNING", ";")):
            break
        if is_target and token.name:
            found.append(token.start)
        if token.text == "=":
            is_target = False
        elif not depth and token.text == ",":
            is_target = True
    return found


def _end_of_name(code: Sequence[Token], at: int) -> int:
    """The last token of the dotted name that begins here."""
    while at + 2 < len(code) and code[at + 1].text == "." and code[at + 2].name:
        at += 2
    return at


def _refuse_long_columns(code: Sequence[Token], tables: Collection[int]) -> None:
    """Raise ProgrammingError for a column with its table's whole name; `tables` are where the tables begin."""
    for at, token in enumerate(code):
        last = _end_of_name(code, at)
        if last - at >= 6 and token.start not in tables and (at == 0 or code[at - 1].text != "."):
            parts = [token.name for token in code[at : last + 1 : 2]]
            raise ProgrammingError(
                f"{'.'.join(parts)}: a column cannot have its table's whole name; give the table an alias, "
                f"FROM {'.'.join(parts[:3])} AS t, and write t.{parts[3]}"
            )


def _without_prefix(token: Token, resources: Sequence[Resource]) -> str:
    """The column that data__NAME stands for, "" for another token, and where a table has a column data__NAME."""
    short = token.name.lower().removeprefix(OLD_PREFIX)
    if not token.name.lower().startswith(OLD_PREFIX):
        return ""
    has_it = any(token.name.lower() in one.table.by_name for one in resources)
    return short if not has_it and any(short in one.table.by_name for one in resources) else ""
