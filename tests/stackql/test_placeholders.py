"""Placeholders: a value stays in the string that its placeholder stands in, whatever it contains."""

from __future__ import annotations

import json
from typing import Any

import apsw
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openai_vtab.errors import DataError, ProgrammingError
from openai_vtab.stackql import fill, translate

from ..support.slow import few_and_many

VALUES = {
    "a": "it's",
    "n": 5,
    "t": True,
    "list": ["it's", "é"],
    "object": {"type": "auto"},
    "data__old": [1],
    "text_n": "-1.5",
    "q": 'a" b',
    "long": "1" * 5000,
    "nan": "NaN",
}
FILLED = {
    "a string": ("SELECT '{{ a }}'", "SELECT 'it''s'"),
    "without spaces": ("SELECT '{{a}}{{n}}'", "SELECT 'it''s5'"),
    "StackQL's templates": ("SELECT '{{ .values.a }}'", "SELECT 'it''s'"),
    "an array": ("SELECT '{{ list }}'", """SELECT '["it''s", "é"]'"""),
    "an object": ("SELECT '{{ object }}', '{{ t }}'", """SELECT '{"type": "auto"}', 'true'"""),
    "between strings": ("SELECT {{ n }}, {{ a }}, {{ t }}, {{ text_n }}", "SELECT 5, 'it''s', 1, -1.5"),
    "an array between strings": ("SELECT {{ list }}", """SELECT '["it''s", "é"]'"""),
    "the name on older pages": ("SELECT '{{ old }}'", "SELECT '[1]'"),
    "a quoted name": ('SELECT "{{ a }}", `{{ a }}`', 'SELECT "it\'s", `it\'s`'),
    "quotes before": ("SELECT 'x''{{ a }}'", "SELECT 'x''it''s'"),
    "JSON": ("""SELECT '{"x": "{{ a }}", "y": {{ n }}, "z": {{ t }}}'""", """SELECT '{"x": "it''s", "y": 5, "z": true}'"""),
    "JSON with arrays": ("""SELECT '{"x": "{{ list }}", "y": "a {{ list }}"}'""", """SELECT '{"x": ["it''s", "é"], "y": "a [\\"it''s\\", \\"é\\"]"}'"""),
    "JSON in an array": ("""SELECT '["{{ a }}", "x"]'""", """SELECT '["it''s", "x"]'"""),
    "JSON from text": ("""SELECT '{"x": {{ text_n }}, "y": {{ a }}}'""", """SELECT '{"x": -1.5, "y": "it''s"}'"""),
    "a number after a minus sign": ("SELECT 1-{{ text_n }}-{{n}}+1", "SELECT 1- -1.5 - 5 +1"),
    "neighbours": ("SELECT {{n}}{{n}}, x{{a}}", "SELECT 5  5, x 'it''s'"),
    "a scalar of JSON": ("""SELECT '"{{ q }}"', '"{{ n }}"'""", """SELECT '"a\\" b"', '"5"'"""),
    "a part of JSON": ("""SELECT '{"x": "{{ q }}"' || '}', '["{{ q }}' || '"]'""", """SELECT '{"x": "a\\" b"' || '}', '["a\\" b' || '"]'"""),
    "JSON with a key": ("""SELECT '{"{{ n }}": "{{ q }}"}'""", """SELECT '{"5": "a\\" b"}'"""),
    "JSON with a long integer": ("""SELECT '{"x": {{ long }}, "y": "{{ q }}"}'""", f"""SELECT '{{"x": {'1' * 5000}, "y": "a\\" b"}}'"""),
    "JSON with lines in a string": ("""SELECT '{"x": "a\n{{ q }}"}'""", """SELECT '{"x": "a\na\\" b"}'"""),
    "JSON has no NaN": ("""SELECT '{"x": {{ nan }}}'""", """SELECT '{"x": "NaN"}'"""),
    "brackets that are no JSON": ("SELECT '[{{ a }}', '{ {{ a }}'", "SELECT '[it''s', '{ it''s'"),
}  # fmt: skip
UNTOUCHED = ["", "SELECT 1", "SELECT '{ a }', '{{ a', '{{ 1a }}', '{{}}'", "-- {{ nope }}\nSELECT 1 /* {{ nope }} */", "SELECT [{{ nope }}], x'{{ nope }}'", "SELECT 'never ends {{ nope }}", 'SELECT "{{ nope }}']  # fmt: skip


@pytest.mark.parametrize(("sql", "expected"), FILLED.values(), ids=FILLED)
def test_placeholders_are_filled(sql: str, expected: str) -> None:
    """As text in strings, as JSON in JSON, as a literal elsewhere."""
    assert fill(sql, VALUES) == expected


@pytest.mark.parametrize("sql", UNTOUCHED)
def test_placeholders_are_not_in_other_text(sql: str) -> None:
    """Not in comments, [names] and blobs, and not in braces of another kind."""
    assert fill(sql, VALUES) == sql


def test_placeholders_without_a_value_are_all_listed() -> None:
    """Each once; null and a placeholder are no values."""
    with pytest.raises(ProgrammingError) as refused:
        fill(
            "SELECT '{{ x }}', {{ y }}, '{{ x }}', '{\"z\": \"{{ z }}\"}', '{{ a }}'",
            {"a": 1, "y": None, "z": " {{ q }} "},
        )
    assert str(refused.value).startswith("no value for x, y, z; give each to the shell as --var NAME=VALUE or in ")


def test_placeholders_in_values_are_text() -> None:
    """Values are not filled again, and a translated statement takes them as text."""
    sql = fill(
        "SELECT 1 FROM openai.files.files WHERE id = '{{ a }}' AND purpose = '{{ b }}'", {"a": "x {{ b }}", "b": "y"}
    )
    assert translate(sql) == "SELECT 1 FROM \"openai.files.files\" WHERE id = 'x {{ b }}' AND purpose = 'y'"


def test_placeholders_take_no_null_character() -> None:
    """SQL text would end at it."""
    with pytest.raises(DataError, match="null character"):
        fill("SELECT '{{ a }}'", {"a": "x\0"})


@pytest.mark.parametrize("value", [float("inf"), float("nan"), [float("-inf")], 10**5000], ids=type)
@pytest.mark.parametrize("sql", ["{{ v }}", "'{{ v }}'", "'[{{ v }}]'", """'["{{ v }}"]'"""])
def test_placeholders_take_only_numbers_that_can_be_written(sql: str, value: Any) -> None:
    """Infinity would be the name of a column."""
    with pytest.raises(DataError, match="such a number cannot be written in SQL text"):
        fill(f"SELECT {sql}", {"v": value})


@pytest.mark.parametrize(
    "text",
    [
        '{x: "{{ v }}"}',
        '{"x": "{{ v }}",}',
        "[''{{ v }}'']",
        """{"x": "\\{{ v }}"}""",
        '{"x": "{{ v }}" /* " */}',
        '\ufeff{"x": "{{ v }}"}',
        '/* c */ {"x": "{{ v }}"}',
    ],
)
def test_placeholders_are_refused_in_json5(text: str) -> None:
    """Its strings end in more ways than those of JSON, whatever the value is."""
    with pytest.raises(ProgrammingError, match="could leave its place in this text, because it is not strict JSON"):
        fill(f"SELECT '{text}'", {"v": "x"})


def test_placeholders_in_deep_json_are_escaped() -> None:
    """One value cannot make another one plain text."""
    sql = fill("""SELECT '{"n": {{ n }}, "v": "{{ v }}", "w": {{ w }}}'""", {"n": "[" * 950 + "]" * 950, "v": '"', "w": '1, "x": 2'})  # fmt: skip
    assert sql.endswith(""", "v": "\\"", "w": "1, \\"x\\": 2"}'""")


HOSTILE = ["'", "''", "'; DROP TABLE t; --", '"', "\\", "\\'", "\n", "{{ b }}", "}}", "*/", "--", "é\U0001f600", "\u2028", '"}', '","x":"', "$1", "\\g<1>"]  # fmt: skip


@pytest.mark.parametrize("examples", few_and_many(40, 1_000))
def test_placeholders_never_let_a_value_out(examples: int) -> None:
    """SQLite reads the very value back from a string, from JSON in a string, and from its own place."""
    db = apsw.Connection(":memory:")
    texts = st.lists(st.one_of(st.sampled_from(HOSTILE), st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=4)), max_size=5).map("".join)  # fmt: skip
    values = st.one_of(texts.filter(lambda text: "{{" not in text or not text.strip().endswith("}}")), st.lists(texts, max_size=3), st.dictionaries(texts, texts, max_size=2), st.integers(-(2**31), 2**31))  # fmt: skip

    @settings(max_examples=examples, deadline=None, database=None)
    @given(values)
    def check(value: Any) -> None:
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        sql = fill(
            """SELECT '{{ v }}', 'a {{ v }} b''', '{"x": "{{ v }}", "y": "a {{ v }}"}', '[{{ v }}]'""", {"v": value}
        )
        ((whole, part, object_, array),) = db.execute(sql).fetchall()
        assert (whole, part) == (text, f"a {text} b'")
        assert json.loads(object_) == {"x": value, "y": f"a {text}"}
        if not isinstance(value, str):
            assert json.loads(array) == [value]
        ((bare,),) = db.execute(fill("SELECT {{ v }}", {"v": value})).fetchall()
        assert str(bare) == text or float(bare) == float(text)  # text such as -0 is a number there

    check()
