"""Manifests: StackQL's YAML, the same as JSON, and what counts as not filled."""

from __future__ import annotations

import json
import sys

import pytest

from openai_vtab.errors import NotSupportedError, ProgrammingError
from openai_vtab.stackql import parse_manifest

from . import pages

VALUES = {
    "vector_store_id": "vs_demo",
    "file_ids": ["file-new-01", "file-new-02"],
    "chunking_strategy": {"type": "auto"},
}
PLACEHOLDERS = """# the newer pages' manifest
- name: file_batches
  props:
    - name: vector_store_id
      value: "{{ vector_store_id }}"
      description: Required parameter for the file_batches resource.
    - name: file_ids
      value:
        - "{{ file_ids }}"
    - name: files
      value:
        - file_id: file-new-01
          attributes: "{{ attributes }}"
    - name: attributes
      value: {kind: array}
      description: a
      description: b
"""


def test_manifest_of_the_page_gives_the_values() -> None:
    """Types count as not filled."""
    assert parse_manifest(pages.MANIFEST, "m.yaml") == VALUES
    assert parse_manifest(pages.TYPES, "m.yaml") == {}


def test_manifest_with_placeholders_counts_as_not_filled() -> None:
    """At any depth; a word such as array is a type only where the page has one."""
    assert parse_manifest(PLACEHOLDERS, "m.yaml") == {"attributes": {"kind": "array"}}


@pytest.mark.parametrize(
    "document",
    [
        VALUES,
        {"values": VALUES},
        {"name": "x", "props": [{"name": name, "value": value} for name, value in VALUES.items()]},
        [{"name": "x", "props": [{"name": name, "value": value} for name, value in VALUES.items()]}, {"props": []}],
    ],
)
def test_manifest_may_be_json(document: object) -> None:
    """In the form of the YAML, or as names and values."""
    assert parse_manifest(json.dumps(document), "m.json") == VALUES


def test_manifest_values_are_json() -> None:
    """YAML's dates are text; an empty value is not filled."""
    text = "values: {day: 2026-01-31, n: 1.5, no: false, empty: , bytes: !!binary aGk=, nested: {1: [2026-01-31]}}"
    assert parse_manifest(text, "m") == {"day": "2026-01-31", "n": 1.5, "False": False, "bytes": "hi", "nested": {"1": ["2026-01-31"]}}  # fmt: skip


def test_manifest_in_json_needs_no_pyyaml(monkeypatch: pytest.MonkeyPatch) -> None:
    """YAML does, and says what to install."""
    monkeypatch.setitem(sys.modules, "yaml", None)
    assert parse_manifest('{"a": "b"}', "m") == {"a": "b"}
    with pytest.raises(NotSupportedError) as refused:
        parse_manifest("a: b", "m.yaml")
    assert str(refused.value) == (
        "m.yaml is not JSON, and YAML needs PyYAML: pip install 'openai-vtab[stackql]', or write the file as JSON"
    )


INSTEAD = 'write a list of resources, each with name and props, or an object such as {"vector_store_id": "vs_…"}'
REFUSED = {
    ("{", "m.json"): "m.json is not JSON: ",
    ("a: [", "m.yaml"): "m.yaml is not YAML: while parsing a flow ",
    ("- a: {{ b }}", "m.yaml"): "m.yaml is not YAML: while constructing a mapping",
    ("text", "m.yaml"): f'm.yaml: "text" is not a resource with name and props; {INSTEAD}',
    ("[1]", "m.json"): f"m.json: 1 is not a resource with name and props; {INSTEAD}",
    ('{"values": 1}', "m.json"): f"m.json: values is 1; {INSTEAD}",
    ('[{"name": "x", "props": [1]}]', "m"): "m: x: 1 is not a prop; write - name: NAME and value: VALUE",
    ("- props: [{name: a, value: 1}]\n- props: [{name: a, value: 2}]", "m"): "m: a has two values, 1 and 2; write one of them",
}  # fmt: skip


@pytest.mark.parametrize(("given", "problem"), REFUSED.items())
def test_manifest_says_what_to_write(given: tuple[str, str], problem: str) -> None:
    """With the file, the place in it and what is wrong."""
    with pytest.raises(ProgrammingError) as refused:
        parse_manifest(*given)
    assert str(refused.value).startswith(problem)
    assert ("{{" not in given[0]) or str(refused.value).endswith("; write a value for each {{ … }}, or quote it")
