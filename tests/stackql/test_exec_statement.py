"""EXEC: arguments in any order, @@json, and the errors that say what to write."""

from __future__ import annotations

import pytest

from openai_vtab.errors import DataError, ProgrammingError
from openai_vtab.stackql import translate

BATCHES = "openai.vector_stores.file_batches"
CANCEL = "EXEC openai.vector_stores.file_batches.cancel"
CANCELLED = "SELECT cancel_vector_store_file_batch('v', 'b') AS raw"
SEARCH = "EXEC openai.vector_stores.vector_stores.search"
SEARCHED = 'SELECT * FROM "openai.vector_stores.vector_store_search" WHERE'

TRANSLATED = {
    "any order": (f"{CANCEL} @batch_id='b', @vector_store_id='v'", CANCELLED),
    "page": ("EXEC openai.vector_stores.vector_store_file_batches.cancel_vector_store_file_batch @batch_id='b', @vector_store_id='v';", f"{CANCELLED};"),
    "old name": ("EXEC openai.vector_stores.vector_store_file_batches.cancel @vector_store_id='v', @batch_id='b'", CANCELLED),
    "capitals": ("exec OpenAI.Vector_Stores.File_Batches.Cancel @Batch_Id = 'b', @VECTOR_STORE_ID = 'v'", CANCELLED),
    "quoted": ("EXEC `openai`.`vector_stores`.`file_batches`.`cancel` @batch_id='b', @vector_store_id='v'", CANCELLED),
    "hint": ("-- c\nEXEC /*+ SHOWRESULTS */ openai.vector_stores.file_batches.cancel @batch_id='b', @vector_store_id='v'", f"-- c\n{CANCELLED}"),
    "comma in a comment": (f"{CANCEL}\n@vector_store_id='v' --required,\n@batch_id='b' --required\n;", f"{CANCELLED} --required\n;"),
    "expression": (f"{CANCEL} @batch_id=(SELECT max(a, b) FROM t), @vector_store_id='v'||'w'", "SELECT cancel_vector_store_file_batch('v'||'w', (SELECT max(a, b) FROM t)) AS raw"),
    "parameters in order": (f"{CANCEL} @vector_store_id=?, @batch_id=?", "SELECT cancel_vector_store_file_batch(?, ?) AS raw"),
    "parameters in another order": (f"{CANCEL} @batch_id=?, @vector_store_id=@v", "SELECT cancel_vector_store_file_batch(vector_store_id, batch_id) AS raw FROM (SELECT ? AS batch_id, @v AS vector_store_id)"),
    "parameters without commas": (f"{CANCEL} @vector_store_id=@batch_id @batch_id=@b", "SELECT cancel_vector_store_file_batch(@batch_id, @b) AS raw"),
    "json": (f"{SEARCH} @vector_store_id='v', @@json='{{\"query\": \"it''s\", \"rewrite_query\": true, \"filters\": {{\"a\": \"b''c\"}}, \"max_num_results\": null}}'", f"{SEARCHED} vector_store_id = 'v' AND query = 'it''s' AND rewrite_query = 1 AND filters = '{{\"a\": \"b''c\"}}'"),
    "json without a comma": (f"{SEARCH} @vector_store_id=?\n@@json=\n'{{\"query\": [\"a\"], \"max_num_results\": 5}}'", f"{SEARCHED} vector_store_id = ? AND query = '[\"a\"]' AND max_num_results = 5"),
    "arguments for a search": (f"{SEARCH}_vector_store @query='q', @vector_store_id='v'", f"{SEARCHED} query = 'q' AND vector_store_id = 'v'"),
    "several tokens": (f"{SEARCH} @vector_store_id='a' OR 1, @query='q'", f"{SEARCHED} vector_store_id = ('a' OR 1) AND query = 'q'"),
    "content": ("EXEC openai.files.files.content @file_id='f'", "SELECT content FROM \"openai.files.files\" WHERE file_id = 'f'"),
    "text of a file": ("EXEC openai.vector_stores.files.content @file_id='f', @vector_store_id='v'", "SELECT * FROM \"openai.vector_stores.vector_store_file_content\" WHERE file_id = 'f' AND vector_store_id = 'v'"),
    "get": (f"EXEC {BATCHES}.get @batch_id='b', @vector_store_id='v'", "SELECT * FROM \"openai.vector_stores.vector_store_file_batches\" WHERE batch_id = 'b' AND vector_store_id = 'v'"),
    "explain": (f"EXPLAIN {CANCEL} @batch_id='b', @vector_store_id='v'", f"EXPLAIN {CANCELLED}"),
}  # fmt: skip
REFUSED = {
    "EXEC": "EXEC: a method has four names; write EXEC openai.SERVICE.RESOURCE.METHOD @NAME = …",
    f"EXEC {BATCHES}": f"EXEC {BATCHES}: a method has four names; write EXEC openai.SERVICE.RESOURCE.METHOD @NAME = …",
    f"EXEC {BATCHES}.cancl": f"EXEC {BATCHES}.cancl: there is no such method; write EXEC {BATCHES}.cancel",
    f"EXEC {BATCHES}.get @batch_id='b'": f"EXEC {BATCHES}.get: @vector_store_id = … must be given; the arguments are @vector_store_id, @batch_id, @wait_seconds, @refresh",
    f"EXEC {BATCHES}.retrieve @batch_id='b'": f"EXEC {BATCHES}.retrieve: there is no such method; write SELECT * FROM {BATCHES} WHERE vector_store_id = '…' AND batch_id = 'b'",
    "EXEC openai.vector_stores.search @query='q'": f"EXEC openai.vector_stores.search: a method has four names; write {SEARCH} @query='q'",
    "EXEC vector_stores.file_batches.cancel @batch_id='b'": f"EXEC vector_stores.file_batches.cancel: a method has four names; write {CANCEL} @batch_id='b'",
    "EXEC openai.files.files.download_file @file_id='f'": "EXEC openai.files.files.download_file: there is no such method; write EXEC openai.files.files.content @file_id='f'",
    "EXEC openai.vector_stores.vector_stores.list @limit=5": "EXEC openai.vector_stores.vector_stores.list: there is no such method; write SELECT * FROM openai.vector_stores.vector_stores LIMIT 5",
    "EXEC openai.vector_stores.vector_stores.create @@json='{\"name\": \"it''s\"}'": "EXEC openai.vector_stores.vector_stores.create: there is no such method; write INSERT INTO openai.vector_stores.vector_stores (name) VALUES ('it''s')",
    f"EXEC {BATCHES}.create @vector_store_id='v', @file_ids='[]'": f"EXEC {BATCHES}.create: there is no such method; write INSERT INTO {BATCHES} (vector_store_id, file_ids) VALUES ('v', '[]')",
    f"EXEC {BATCHES}.update @batch_id='b'": f"EXEC {BATCHES}.update: there is no such method; write UPDATE {BATCHES} SET status = 'cancelled' WHERE vector_store_id = '…' AND batch_id = 'b'",
    f"EXEC {BATCHES}.create_vector_store_file_batch": f"EXEC {BATCHES}.create_vector_store_file_batch: there is no such method; write INSERT INTO {BATCHES} (vector_store_id, file_ids) VALUES ('…', '…') or INSERT INTO {BATCHES} (vector_store_id, files) VALUES ('…', '…')",
    "EXEC openai.files.files.delete": "EXEC openai.files.files.delete: there is no such method; write DELETE FROM openai.files.files WHERE file_id = '…'",
    "EXEC openai.vector_stores.vector_stores.modify_vector_store @metadata='{}'": "EXEC openai.vector_stores.vector_stores.modify_vector_store: there is no such method; write UPDATE openai.vector_stores.vector_stores SET metadata = '{}' WHERE vector_store_id = '…'",
    "EXEC openai.files.files.nonsense": "EXEC openai.files.files.nonsense: there is no such method; write EXEC openai.files.files.content",
    "EXEC openai.vector_stores.file_batch_files.nonsense": "EXEC openai.vector_stores.file_batch_files.nonsense: there is no such method; SHOW METHODS IN openai.vector_stores.file_batch_files lists what it has",
    "EXEC google.compute.instances.stop @a='b'": "EXEC google.compute.instances.stop: the only provider here is openai; write a name such as openai.vector_stores.vector_store_file_batches, or SCHEMA.TABLE for a table of your own",
    f"{CANCEL}": f"{CANCEL}: @vector_store_id = … and @batch_id = … must be given; the arguments are @vector_store_id, @batch_id",
    f"{CANCEL} @batch_id='b'": f"{CANCEL}: @vector_store_id = … must be given; the arguments are @vector_store_id, @batch_id",
    f"{CANCEL} @batchid='b'": f"{CANCEL}: there is no argument @batchid; write @batch_id, one of @vector_store_id, @batch_id",
    f"{CANCEL} @batch_id='b', @BATCH_ID='c'": f"{CANCEL}: @BATCH_ID is given twice; write it once",
    f"{CANCEL} @batch_id=, @vector_store_id='v'": f"{CANCEL}: @batch_id: it has no value; write @batch_id = 'VALUE'",
    f"{CANCEL} @batch_id=('b', @vector_store_id='v'": f"{CANCEL}: @batch_id: its parentheses do not match; write @batch_id = 'VALUE'",
    f"{CANCEL} @batch_id=1) OR (2, @vector_store_id='v'": f"{CANCEL}: @batch_id: its parentheses do not match; write @batch_id = 'VALUE'",
    f"{CANCEL} 'v', 'b'": f"""{CANCEL}: an argument is expected before "'v', 'b'"; write @NAME = VALUE""",
    f"{CANCEL} @OpenAI-Project='p'": f"{CANCEL}: OpenAI-Project is the setting project here; leave it out, and set OPENAI_PROJECT_ID or write connect(project=…)",
    f"{SEARCH} @vector_store_id='v', @query='q', @@json='{{\"query\": \"q\"}}'": f"{SEARCH}: query is given twice; write it in @@json or as @query",
    f"{SEARCH} @vector_store_id='v', @@json=?": f"{SEARCH}: @@json must be a string in quotation marks; write @@json = '{{\"query\": \"…\"}}'",
    f"{SEARCH} @vector_store_id='v', @@json='[1]'": f"{SEARCH}: @@json is [1], not a JSON object; write @@json = '{{\"query\": \"…\"}}'",
    f"{SEARCH} @vector_store_id='v', @@json='{{'": f"{SEARCH}: @@json is not JSON (Expecting property name enclosed in double quotes: line 1 column 2 (char 1)); write @@json = '{{\"query\": \"…\"}}'",
    f"{SEARCH} @vector_store_id='v', @@json='{{\"q\": {{{{ q }}}}}}'": f"{SEARCH}: no value for q; give each to the shell as --var NAME=VALUE or in --manifest FILE, and in Python to openai_vtab.stackql.fill()",
    f"{SEARCH} @vector_store_id='v', @@json='{{\"query\": \"{{{{ q }}}}\"}}'": f"{SEARCH}: no value for q; give each to the shell as --var NAME=VALUE or in --manifest FILE, and in Python to openai_vtab.stackql.fill()",
}  # fmt: skip


@pytest.mark.parametrize(("sql", "expected"), TRANSLATED.values(), ids=TRANSLATED)
def test_exec_is_a_function_or_a_query(sql: str, expected: str) -> None:
    """Values are SQL expressions, and go where their names say."""
    assert translate(sql) == expected


@pytest.mark.parametrize(("sql", "problem"), REFUSED.items())
def test_exec_says_what_to_write(sql: str, problem: str) -> None:
    """The method, what is wrong, what to write."""
    with pytest.raises(ProgrammingError) as refused:
        translate(sql)
    assert str(refused.value) == problem


def test_exec_json_cannot_hold_a_null_character() -> None:
    """SQL text ends at it."""
    with pytest.raises(DataError, match="bind the value instead"):
        translate(f"{SEARCH} @vector_store_id='v', @@json='{{\"query\": \"a\\u0000b\"}}'")
