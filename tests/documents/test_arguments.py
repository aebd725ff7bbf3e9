"""The arguments of CREATE VIRTUAL TABLE … USING vector_store_documents(…)."""

from __future__ import annotations

import pytest

from openai_vtab import ProgrammingError
from openai_vtab.documents.arguments import Arguments, parse

STATIC = '{"type": "static", "static": {"max_chunk_size_tokens": 200, "chunk_overlap_tokens": 50}}'
CHUNKING = '{"static":{"chunk_overlap_tokens":50,"max_chunk_size_tokens":200},"type":"static"}'
KEY = "sk-1234567890"

READ = {
    "name": (["name = 'Handbook'"], Arguments(name="Handbook")),
    "vector_store_id": (["vector_store_id='vs_1'"], Arguments("vs_1")),
    "quotation mark": (["name = 'It''s'"], Arguments(name="It's")),
    "comma, equals sign and comment marks in a text": (["name = 'a, b = /* c */ -- d'"], Arguments(name="a, b = /* c */ -- d")),
    "capitals": (["NAME = 'Handbook'"], Arguments(name="Handbook")),
    "white space": (["\n\t name\n=  'Handbook' \n"], Arguments(name="Handbook")),
    "comments": (["name /* of it */ = 'Handbook' -- mine"], Arguments(name="Handbook")),
    "quoted name": (["\"Name\" = 'Handbook'"], Arguments(name="Handbook")),
    "chunking": (["name = 'H'", f"chunking_strategy = '{STATIC}'"], Arguments(name="H", chunking=CHUNKING)),
    "the API's chunking": (["name = 'H'", "chunking_strategy = '{\"type\": \"auto\"}'"], Arguments(name="H")),
    "expires_after": (
        ["name = 'H'", 'expires_after = \'{"anchor": "last_active_at", "days": 7}\''],
        Arguments(name="H", expires_after={"anchor": "last_active_at", "days": 7}),
    ),
    "metadata": (["name = 'H'", "metadata = '{\"team\": \"docs\"}'"], Arguments(name="H", metadata={"team": "docs"})),
}  # fmt: skip
NOT_ONE = "h: it needs one of the arguments name = 'Handbook' or vector_store_id = 'vs_…', and "
NO_ARGUMENT = (
    " is not an argument of vector_store_documents; write one of vector_store_id, name, chunking_strategy, "
    "expires_after, metadata, = and a text in single quotes, such as name = 'Handbook' or vector_store_id = 'vs_…'"
)
REFUSED = {
    "none": ([], NOT_ONE + "neither is given"),
    "both": (["name = 'H'", "vector_store_id = 'vs_1'"], NOT_ONE + "both are given"),
    "twice": (["name = 'H'", "NAME = 'I'"], "h: the argument name is given twice; write it once"),
    "another": (["name = 'H'", "tokenize = 'porter'"], "h: tokenize = 'porter'" + NO_ARGUMENT),
    "text without quotation marks": (["name = Handbook"], "h: name = Handbook" + NO_ARGUMENT),
    "double quotation marks": (['name = "Handbook"'], 'h: name = "Handbook"' + NO_ARGUMENT),
    "value alone": (["'Handbook'"], "h: 'Handbook'" + NO_ARGUMENT),
    "two values": (["name = 'H' 'I'"], "h: name = 'H' 'I'" + NO_ARGUMENT),
    "nothing": ([""], "h: ''" + NO_ARGUMENT),
    "long": (["x = '" + 100 * "y" + "'"], "h: x = '" + 52 * "y" + "…" + NO_ARGUMENT),
    "empty name": (["name = ' '"], "h: the argument name: ' ' is not a name; write name = 'Handbook'"),
    "id with white space": (
        ["vector_store_id = 'vs 1'"],
        "h: the argument vector_store_id: 'vs 1' contains white space or control characters; write the bare id",
    ),
    "chunking": (
        ["name = 'H'", "chunking_strategy = 'auto'"],
        "h: the argument chunking_strategy: 'auto' is not JSON; write '{\"type\": \"auto\"}'",
    ),
    "expires_after": (
        ["name = 'H'", 'expires_after = \'{"anchor": "last_active_at", "days": 0}\''],
        "h: the argument expires_after: days is 0; write a number from 1 to 365",
    ),
    "metadata": (
        ["name = 'H'", "metadata = '{\"n\": 1}'"],
        "h: the argument metadata: the value of 'n' is 1, not text; write '{\"team\": \"docs\"}'",
    ),
    "expires_after that is no JSON": (
        ["name = 'H'", "expires_after = '7 days'"],
        'h: the argument expires_after: \'7 days\' is not JSON; write \'{"anchor": "last_active_at", "days": 7}\'',
    ),
    "metadata of a store that exists": (
        ["vector_store_id = 'vs_1'", "metadata = '{}'"],
        "h: the argument metadata is for a vector store that this table creates, and vector_store_id names one that "
        "exists; UPDATE vector_stores SET metadata = … WHERE vector_store_id = …",
    ),
}


@pytest.mark.parametrize(("texts", "arguments"), READ.values(), ids=READ)
def test_arguments_are_read_as_sql(texts: list[str], arguments: Arguments) -> None:
    """A text in single quotation marks, however it is written."""
    assert parse("h", texts) == arguments


@pytest.mark.parametrize(("texts", "message"), REFUSED.values(), ids=REFUSED)
def test_arguments_that_are_refused(texts: list[str], message: str) -> None:
    """The message says what to write."""
    with pytest.raises(ProgrammingError) as refused:
        parse("h", texts)
    assert str(refused.value) == message


@pytest.mark.parametrize(
    "text",
    [
        f"api_key = '{KEY}'",
        "API_KEY='abc'",
        "\"api_key\" = 'abc'",
        "apikey = 'abc'",
        "openai_api_key = 'abc'",
        "key = 'abc'",
        "token = 'abc'",
        "authorization = 'abc'",
        f"name = '{KEY}'",
        f"name = 'Bearer {KEY}'",
        f"name = {KEY}",
        f"'{KEY}'",
        KEY,
    ],
)
def test_arguments_with_a_key_are_refused(text: str) -> None:
    """The message has the reason, and not the key."""
    with pytest.raises(ProgrammingError) as refused:
        parse("h", ["vector_store_id = 'vs_1'", text])
    assert str(refused.value) == (
        "h: an argument looks like an API key, which would be stored in the database file; set OPENAI_API_KEY, or give "
        "api_key to connect()"
    )


def test_arguments_whose_names_only_contain_a_word_for_keys() -> None:
    """A name such as 'Ask-me' is no key."""
    assert parse("h", ["name = 'task-force keys'"]).name == "task-force keys"
