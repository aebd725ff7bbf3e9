"""Row values: where SQLite 3.53 compares a number from a row value with a text key, and finds them equal by mistake.

`(a, b) IN (SELECT …)` passes a virtual table the rows of a temporary index, or of one of the user's, one by one.
SQLite reads each value again to compare it, but with the affinity of the table's column alone, which is TEXT. The
comparison should have no affinity when the other column has none either, and the number 5 is then not the text '5'.

>>> never_numbers(connection.execute, program, "vector_store_id,batch_id")
{1}

https://www.sqlite.org/rowvalue.html
"""

from __future__ import annotations

from collections.abc import Sequence

from .programs import Instruction, parts
from .repeatable import Run


def never_numbers(run: Run, program: Sequence[Instruction], idxStr: str) -> set[int]:  # noqa: N803
    """Return the positions in argv whose values, if they are numbers, equal no text in any scan with this idxStr.

    `program` is the rows of EXPLAIN; `run` executes SQL and returns its rows. If a statement has several scans with
    this idxStr, and only some of them compare without affinity, nobody can tell which one asks: the position is left
    out, and SQLite's own comparison stands.
    """
    may: list[tuple[set[int], set[int]]] = []
    for part in parts(program):
        may += _row_values(run, part, idxStr)
    untyped, other = (set[int]().union(*sets) for sets in zip(*may, strict=True)) if may else (set[int](), set[int]())
    return untyped - other


def _row_values(run: Run, program: Sequence[Instruction], idxStr: str) -> list[tuple[set[int], set[int]]]:  # noqa: N803
    """Return a pair of sets for each scan with this idxStr: positions without affinity, and others that may be numbers.

    A position is in the first set if its value comes from a row value's column without affinity.
    """
    found: list[tuple[set[int], set[int]]] = []
    records: dict[int, str] = {}  # register: the affinities of the record in it
    affinities: dict[int, str] = {}  # cursor of a temporary index: the affinities of its columns
    indexes: dict[int, tuple[int, int]] = {}  # cursor of a stored index: its database and root page
    filled: dict[int, tuple[int, int]] = {}  # register: the cursor and the column that its value comes from
    integers: dict[int, int] = {}  # register: the integer in it
    never: set[int] = set()  # registers with a text or a list

    def is_untyped(cursor: int, column: int) -> bool:
        if cursor in indexes:
            return _is_untyped(run, *indexes[cursor], column)
        return affinities.get(cursor, "")[column : column + 1] == "A"

    for at, (_, opcode, p1, p2, p3, p4, *_) in enumerate(program):
        if opcode == "MakeRecord":
            records[p3] = str(p4 or "")
        elif opcode == "IdxInsert":
            affinities[p1] = records.get(p2, "")
        elif opcode == "OpenDup":
            affinities[p1] = affinities.get(p2, "")
        elif opcode == "Integer":
            integers[p2] = p1
        elif opcode == "OpenRead":
            indexes[p1] = p3, p2
        elif opcode == "Column":
            filled[p3] = p1, p2
            never.discard(p3)
        elif opcode in ("String8", "VInitIn"):
            never.add(p2)
        elif opcode == "VFilter" and p4 == idxStr:
            end = next((n for n in range(at, len(program)) if program[n][1:3] == ("VNext", p1)), len(program))
            again = {row[2:5] for row in program[at:end] if row[1] == "Column"}
            registers = {n: p3 + 2 + n for n in range(integers.get(p3 + 1, 0))}  # SQLite puts argc before argv
            numbers = {n: r for n, r in registers.items() if r not in never}
            untyped = {
                n for n, r in numbers.items() if r in filled and (*filled[r], r) in again and is_untyped(*filled[r])
            }
            found.append((untyped, numbers.keys() - untyped))
    return found


def _is_untyped(run: Run, database: int, root: int, column: int) -> bool:
    """Return whether a column of an index has no affinity.

    https://www.sqlite.org/datatype3.html#determination_of_column_affinity
    """
    (schema,) = next(iter(run("SELECT name FROM pragma_database_list WHERE seq = ?", (database,))))
    quoted = schema.replace('"', '""')
    types = run(
        f'SELECT upper(c.type) FROM "{quoted}".sqlite_schema AS s JOIN pragma_index_xinfo(s.name, ?1) AS i '
        "JOIN pragma_table_xinfo(s.tbl_name, ?1) AS c ON c.cid = i.cid WHERE s.rootpage = ?2 AND i.seqno = ?3",
        (schema, root, column),
    )
    type = next((type for (type,) in types), "INTEGER")
    return not any(word in type for word in ("INT", "CHAR", "CLOB", "TEXT")) and (not type or "BLOB" in type)
