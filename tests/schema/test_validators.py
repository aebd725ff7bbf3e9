"""The checks of what is sent: what passes, and what a refusal says."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest

from openai_vtab.errors import DataError
from openai_vtab.schema.attachment_validators import (
    attributes,
    chunking_strategy,
    file_ids,
    files,
    metadata,
    store_file_ids,
)
from openai_vtab.schema.decode import sql_value
from openai_vtab.schema.search_validators import filters, query, ranking_options, results
from openai_vtab.schema.validators import (
    boolean,
    content,
    file_expires_after,
    filename,
    flag,
    identifier,
    path,
    seconds,
    store_expires_after,
    text,
)
from openai_vtab.schema.values import InvalidValue, Limits, key_text, sql_literal

L = Limits(files_per_batch=3)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("vs_1", "vs_1"),
        (7, "7"),
        (-(2**63), str(-(2**63))),
        ("", None),
        (".", None),
        ("..", None),
        (None, None),
        (b"vs_1", None),
    ],
)
def test_key_text(value: Any, text: str | None) -> None:
    """An integer is its decimal text; a BLOB equals no text, and "." would be another endpoint."""
    assert key_text(value) == text


@pytest.mark.parametrize("value", ["vs_1", "a/b", "?x=1", "ü", "#", "%2e"])
def test_identifier_takes_any_printable_text(value: str) -> None:
    """It becomes one percent-encoded segment."""
    assert identifier(value, L) == value


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        (None, "NULL is not an id"),
        (7, "7 is not an id"),
        (b"x", "a BLOB of 1 bytes is not an id"),
        ("", "'' is not an id"),
        ("..", "'..' is not an id"),
        ("vs 1", "'vs 1' contains white space or control characters"),
        ("vs\x00", "contains white space or control characters"),
    ],
)
def test_identifier_refuses(value: Any, problem: str) -> None:
    """With the value's problem and what to write."""
    with pytest.raises(InvalidValue, match="write the") as caught:
        identifier(value, L)
    assert problem in str(caught.value)


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        (None, "NULL is not JSON text"),
        (5, "5 is not JSON text"),
        (
            b'["a"]',
            "a BLOB of 5 bytes is not JSON text; write json_array('file-abc', …) or json_group_array(file_id) (json_…, not jsonb_…)",
        ),
        ("file-a", "'file-a' is not JSON"),
        ('["a", NaN]', "is not JSON"),
        ("[" * 100000, "is not JSON"),
        ('{"a": 1}', "is not a JSON array"),
        ("[]", "the array is empty; write at least one file"),
        ('["a", 1]', "item 1 is 1, not a file id"),
        ('["a", null]', "item 1 of the array is null; write WHERE file_id IS NOT NULL, which leaves out"),
        ('["a", ""]', 'item 1 is "", not a file id'),
        ('["a b"]', 'item 0 is "a b", not a file id'),
        ('["a", "b", "c", "d"]', "4 files are more than the 3 that one batch may have; write one row for each part"),
    ],
)
def test_file_ids_refuses(value: Any, problem: str) -> None:
    """Everything but a JSON array of 1 to the limit's ids."""
    with pytest.raises(InvalidValue) as caught:
        file_ids(value, L)
    assert problem in str(caught.value)


def test_file_ids_keeps_order_and_duplicates() -> None:
    """What is written is what is sent."""
    assert file_ids('["b", "a", "b"]', L) == ["b", "a", "b"]


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ('["a"]', 'item 0 is "a", not an object'),
        ("[{}]", "item 0 has the file_id null"),
        ('[{"file_id": null}]', "item 0 of the array has the file_id null; write WHERE file_id IS NOT NULL"),
        ('[{"file_id": "a", "name": "x"}]', "item 0 has the unknown member 'name'"),
        ('[{"file_id": "a"}, {"file_id": "b", "attributes": []}]', "item 1: attributes are [], not an object"),
        ('[{"file_id": "a", "chunking_strategy": {"type": "none"}}]', 'item 0: chunking_strategy is {"type": "none"}'),
    ],
)
def test_files_refuses(value: str, problem: str) -> None:
    """With the item's number."""
    with pytest.raises(InvalidValue) as caught:
        files(value, L)
    assert problem in str(caught.value)


def test_files_passes_what_the_api_takes() -> None:
    """Null attributes and every documented member."""
    items = [
        {"file_id": "a", "attributes": None},
        {"file_id": "b", "attributes": {"x": 1}, "chunking_strategy": {"type": "auto"}},
    ]
    assert files(json.dumps(items), L) == items


@pytest.mark.parametrize(
    "value",
    [
        {"k" * 64: "v" * 512},
        {str(n): n for n in range(16)},
        {"text": "x", "number": 1.5, "yes": True, "no": False, "empty": ""},
        {},
        None,
    ],
)
def test_attributes_at_the_limits(value: Any) -> None:
    """16 pairs, 64 and 512 characters are still right."""
    assert attributes(json.dumps(value), L) == value


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ({str(n): n for n in range(17)}, "17 attributes are more than 16"),
        ({"k" * 65: 1}, "has 65 characters; write a key of 1 to 64 characters"),
        ({"": 1}, "has 0 characters"),
        ({"k": "v" * 513}, "the attribute 'k' has 513 characters; write at most 512"),
        ({"k": None}, "the attribute 'k' is null; write text, a number, true or false"),
        ({"k": [1]}, "the attribute 'k' is [1]"),
        ([1], "attributes are [1], not an object"),
    ],
)
def test_attributes_refuses(value: Any, problem: str) -> None:
    """One step beyond each limit."""
    with pytest.raises(InvalidValue) as caught:
        attributes(json.dumps(value), L)
    assert problem in str(caught.value)


@pytest.mark.parametrize(("number", "shown"), [("1e999", "Infinity"), ("-" + "9" * 400, "-9{56}…")])
def test_attributes_refuses_a_number_beyond_all_numbers(number: str, shown: str) -> None:
    """JSON can spell it, and Python reads it."""
    with pytest.raises(InvalidValue, match=f"the attribute 'k' is {shown}"):
        attributes(f'{{"k": {number}}}', L)


def static(size: Any, overlap: Any) -> str:
    return json.dumps({"type": "static", "static": {"max_chunk_size_tokens": size, "chunk_overlap_tokens": overlap}})


@pytest.mark.parametrize("value", [static(100, 0), static(100, 50), static(4096, 2048), '{"type": "auto"}'])
def test_chunking_strategy_at_the_limits(value: str) -> None:
    """100 to 4096 tokens, an overlap of at most half."""
    assert chunking_strategy(value, L) == json.loads(value)


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        (static(99, 0), "max_chunk_size_tokens is 99; write a number from 100 to 4096"),
        (static(4097, 0), "max_chunk_size_tokens is 4097"),
        (static(100, 51), "chunk_overlap_tokens is 51; write a number from 0 to 50, half of the chunk size"),
        (static(100, -1), "chunk_overlap_tokens is -1"),
        (static(100.5, 0), "max_chunk_size_tokens is 100.5, not a whole number"),
        (static(True, 0), "max_chunk_size_tokens is true, not a whole number"),
        ('{"type": "static", "max_chunk_size_tokens": 800}', "chunking_strategy is"),
        ('{"type": "static", "static": {"max_chunk_size_tokens": 800}}', "chunking_strategy.static is"),
        ('"auto"', 'chunking_strategy is "auto", not an object'),
        ("auto", "'auto' is not JSON"),
    ],
)
def test_chunking_strategy_refuses(value: str, problem: str) -> None:
    """With what to write instead."""
    with pytest.raises(InvalidValue, match="; write ") as caught:
        chunking_strategy(value, L)
    assert problem in str(caught.value)


def test_sql_literal_is_one_short_line() -> None:
    """An error message does not repeat a megabyte."""
    assert sql_literal("it's") == "'it''s'"
    assert len(sql_literal("x" * 1000000)) < 65


@pytest.mark.parametrize(("value", "number"), [(0, 0), (1, 1), (1.0, 1), (0.0, 0)])
def test_boolean(value: Any, number: int) -> None:
    """Yes and no are numbers in SQL."""
    found = flag(value, L)
    assert (found, type(found)) == (number, int)


@pytest.mark.parametrize("value", [2, -1, 0.5, "1", "yes", "", None, b"\x01", math.inf])
def test_boolean_refuses(value: Any) -> None:
    """Everything else, by its value."""
    with pytest.raises(InvalidValue, match="is not a flag; write 1 or 0"):
        flag(value, L)


EXPIRY = {"anchor": "last_active_at", "days": 7}
FILE_EXPIRY = {"anchor": "created_at", "seconds": 3600}
EQ = {"type": "eq", "key": "lang", "value": "en"}


@pytest.mark.parametrize(
    ("check", "value", "result"),
    [
        (metadata, '{"a": "b", "c": ""}', {"a": "b", "c": ""}),
        (metadata, "{}", {}),
        (metadata, "null", None),
        (store_file_ids, json.dumps(["f"] * 500), ["f"] * 500),
        (store_expires_after, json.dumps({**EXPIRY, "days": 1}), {**EXPIRY, "days": 1}),
        (store_expires_after, json.dumps({**EXPIRY, "days": 365}), {**EXPIRY, "days": 365}),
        (file_expires_after, json.dumps(FILE_EXPIRY), FILE_EXPIRY),
        (file_expires_after, json.dumps({**FILE_EXPIRY, "seconds": 2592000}), {**FILE_EXPIRY, "seconds": 2592000}),
        (text, "", ""),
        (text, "ü\n", "ü\n"),
        (filename, "a b.md", "a b.md"),
        (filename, "\u3000日\u202f本\u00a0", "\u3000日\u202f本\u00a0"),
        (content, "ü", b"\xc3\xbc"),
        (content, b"\x00", b"\x00"),
        (query, "refund policy", "refund policy"),
        (query, '["a", "b"]', ["a", "b"]),
        (query, "[a] b", "[a] b"),
        (query, '{"a": 1}', '{"a": 1}'),
        (results, 1, 1),
        (results, 50, 50),
        (boolean, 1, True),
        (boolean, 0, False),
        (ranking_options, "{}", {}),
        (ranking_options, '{"ranker": "none", "score_threshold": 1}', {"ranker": "none", "score_threshold": 1}),
        (seconds, 0, 0.0),
        (seconds, "600", 600.0),
        (seconds, 1.5, 1.5),
        (filters, json.dumps(EQ), EQ),
        (filters, json.dumps({**EQ, "value": True}), {**EQ, "value": True}),
        (filters, json.dumps({**EQ, "type": "in", "value": ["a", 1]}), {**EQ, "type": "in", "value": ["a", 1]}),
        (
            filters,
            json.dumps({"type": "or", "filters": [{"type": "and", "filters": [EQ]}, EQ]}),
            {"type": "or", "filters": [{"type": "and", "filters": [EQ]}, EQ]},
        ),
    ],
)
def test_validators_pass_what_the_api_takes(check: Any, value: Any, result: Any) -> None:
    """As JSON."""
    assert check(value, L) == result


def nested(depth: int) -> str:
    found: Any = EQ
    for _ in range(depth):
        found = {"type": "and", "filters": [found]}
    return json.dumps(found)


@pytest.mark.parametrize(
    ("check", "value", "problem"),
    [
        (metadata, '{"a": 1}', "the value of 'a' is 1, not text; write json_object('team', 'docs')"),
        (metadata, '{"a": null}', "'a' is null"),
        (metadata, json.dumps({str(n): "x" for n in range(17)}), "17 attributes are more than 16; write fewer"),
        (metadata, json.dumps({"a": "x" * 513}), "has 513 characters; write at most 512, for instance substr(text, 1, 512)"),
        (metadata, "[]", "not an object; write json_object("),
        (metadata, None, "NULL is not JSON text; write json_object("),
        (store_file_ids, json.dumps(["f"] * 501), "501 files are more than the 500 that a new vector store may have; write the store without them, and attach them by INSERT INTO vector_store_file_batches"),
        (store_file_ids, "[]", "the array is empty; write at least one file"),
        (store_file_ids, "[7]", "item 0 is 7, not a file id"),
        (store_expires_after, "null", "null is not an expires_after object; write json_object('anchor', 'last_active_at', 'days', 1)"),
        (store_expires_after, json.dumps({**EXPIRY, "days": 0}), "days is 0; write a number from 1 to 365"),
        (store_expires_after, json.dumps({**EXPIRY, "days": 366}), "days is 366"),
        (store_expires_after, json.dumps({**EXPIRY, "days": 7.0}), "days is 7.0; write a number"),
        (store_expires_after, json.dumps({**EXPIRY, "days": True}), "days is true; write a number"),
        (store_expires_after, json.dumps({**EXPIRY, "days": "7"}), 'days is "7"; write a number'),
        (store_expires_after, json.dumps({**EXPIRY, "days": [7]}), "days is [7]; write a number"),
        (store_expires_after, json.dumps({**EXPIRY, "x": 1}), "is not an expires_after object"),
        (store_expires_after, json.dumps({"days": 7}), "is not an expires_after object"),
        (store_expires_after, json.dumps(FILE_EXPIRY), "is not an expires_after object; write json_object('anchor', 'last_active_at'"),
        (file_expires_after, json.dumps(EXPIRY), "is not an expires_after object; write json_object('anchor', 'created_at', 'seconds', 3600)"),
        (file_expires_after, json.dumps({**FILE_EXPIRY, "seconds": 3599}), "seconds is 3599; write a number from 3600 to 2592000"),
        (file_expires_after, json.dumps({**FILE_EXPIRY, "seconds": 2592001}), "seconds is 2592001"),
        (file_expires_after, json.dumps({**FILE_EXPIRY, "seconds": 3600.0}), "seconds is 3600.0"),
        (text, 5, "5 is not text; write text"),
        (text, None, "NULL is not text"),
        (text, b"a", "a BLOB of 1 bytes is not text"),
        (text, "a\0b", "is not text"),
        (filename, "", "'' is not a file name; write a name such as 'returns.md'"),
        (filename, "\t", "is not a file name"),
        (filename, "a\nb", "is not a file name"),
        (filename, "a\x7f", "is not a file name"),
        (filename, 5, "5 is not text"),
        (content, None, "NULL is not content; write a BLOB or text, for instance readfile('returns.md')"),
        (content, 1.5, "1.5 is not content"),
        (content, "", "the content is empty; write at least one byte"),
        (path, "x", "local files may not be read, because upload_root is not set; write upload_root='/a/folder' in connect() or register()"),
        (query, None, "NULL is not a query; write text such as 'refund policy', or json_array('refund', 'return')"),
        (query, "", "'' is not a query"),
        (query, 5, "5 is not a query"),
        (query, "[]", "is not an array of texts; write text such as"),
        (query, '["a", ""]', "is not an array of texts"),
        (results, 0, "0 is not a number of results; write a whole number from 1 to 50"),
        (results, 51, "51 is not a number of results"),
        (results, "5", "'5' is not a number of results"),
        (results, 5.0, "5.0 is not a number of results"),
        (boolean, 2, "2 is not a flag; write 1 or 0"),
        (boolean, "true", "'true' is not a flag"),
        (ranking_options, "[]", "[] is not a ranking_options object; write '{"),
        (ranking_options, '{"x": 1}', "is not a ranking_options object"),
        (ranking_options, '{"score_threshold": 1.1}', "score_threshold is 1.1; write a number from 0 to 1"),
        (ranking_options, '{"score_threshold": true}', "score_threshold is true"),
        (ranking_options, '{"ranker": null}', "ranker is null; write 'none', 'auto' or the name of a ranker"),
        (ranking_options, '{"score_threshold": NaN}', "is not JSON"),
        (filters, "[]", "[] is not a filter; write '{\"type\": \"eq\""),
        (filters, "5", "5 is not a filter"),
        (filters, '{"type": ["eq"]}', "is not a filter"),
        (filters, json.dumps({**EQ, "type": "like"}), "is not a filter"),
        (filters, json.dumps({**EQ, "x": 1}), "is not a filter"),
        (filters, json.dumps({**EQ, "key": 5}), "the key is 5; write the name of an attribute"),
        (filters, json.dumps({**EQ, "key": ""}), 'the key is ""; write the name of an attribute'),
        (filters, json.dumps({**EQ, "value": ["a"]}), 'the value of eq is ["a"]; write text, a number, true or false'),
        (filters, json.dumps({**EQ, "type": "in"}), 'the value of in is "en"; write an array of texts and numbers'),
        (filters, json.dumps({**EQ, "value": None}), "the value of eq is null; write text, a number, true or false"),
        (filters, json.dumps({**EQ, "value": {}}), "the value of eq is {}"),
        (filters, '{"type": "gt", "key": "n", "value": 1e999}', "the value of gt is Infinity; write text, a number"),
        (filters, '{"type": "gt", "key": "n", "value": -1e999}', "the value of gt is -Infinity"),
        (filters, '{"type": "gt", "key": "n", "value": NaN}', "is not JSON"),
        (filters, '{"type": "lt", "key": "n", "value": 1' + "0" * 400 + "}", "the value of lt is 1000"),
        (filters, json.dumps({**EQ, "type": "in", "value": ["a", None]}), "item 1 of in is null; write an array of"),
        (filters, json.dumps({**EQ, "type": "nin", "value": [True]}), "item 0 of nin is true; write an array of"),
        (filters, json.dumps({**EQ, "type": "in", "value": [{"a": 1}]}), 'item 0 of in is {"a": 1}'),
        (filters, json.dumps({**EQ, "type": "nin", "value": [[1]]}), "item 0 of nin is [1]"),
        (filters, '{"type": "in", "key": "n", "value": [1, 1e999]}', "item 1 of in is Infinity"),
        (filters, json.dumps({"type": "or", "filters": [EQ, {**EQ, "value": None}]}), "the value of eq is null"),
        (filters, '{"type": "and", "filters": []}', "is empty, or nested too deeply"),
        (filters, '{"type": "and", "filters": {}}', "is not a filter"),
        (filters, '{"type": "and", "filters": [5]}', "5 is not a filter"),
        (filters, nested(22), "nested too deeply"),
        (filters, "[" * 100000, "is not JSON"),
        (seconds, -1, "-1 is not a number of seconds; write a number from 0, such as 600"),
        (seconds, math.inf, "inf is not a number of seconds"),
        (seconds, "nan", "'nan' is not a number of seconds"),
        (seconds, b"5", "is not a number of seconds"),
    ],
)  # fmt: skip
def test_validators_refuse_what_the_api_does_not_take(check: Any, value: Any, problem: str) -> None:
    """With the problem, and what to write."""
    with pytest.raises(InvalidValue, match="; write ") as caught:
        check(value, L)
    assert problem in str(caught.value)


def test_filters_may_be_nested() -> None:
    """As deeply as anybody needs."""
    assert filters(nested(20), L)["type"] == "and"


def test_json_that_is_too_deep_is_refused() -> None:
    """Python's encoder gives up before SQLite would."""
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(DataError, match="levels deep, which SQLite cannot read"):
        sql_value(deep)
