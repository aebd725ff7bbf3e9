"""A manifest of StackQL's: the values of placeholders, as YAML or JSON.

    - name: vector_store_file_batches
      props:
        - name: vector_store_id
          value: vs_…
        - name: chunking_strategy
          props:
            - name: type
              value: auto

>>> parse(text, "manifest.yaml")
{'vector_store_id': 'vs_…', 'chunking_strategy': {'type': 'auto'}}

The manifests of StackQL's pages have types (value: array) or placeholders (value: "{{ file_ids }}") in place of
values. Such a prop counts as not filled, and so does one without a value.
"""

from __future__ import annotations

import datetime
import json
from collections.abc import Mapping
from typing import Any

from ..errors import NotSupportedError, ProgrammingError
from ..schema.values import JSON, load_json
from .placeholders import PLACEHOLDER, is_value

TYPES = frozenset({"string", "array", "object", "integer", "number", "boolean"})
EXAMPLE = 'write a list of resources, each with name and props, or an object such as {"vector_store_id": "vs_…"}'


def parse(text: str, file: str) -> dict[str, JSON]:
    """Return the values of a manifest by the names of its props. `file` is its name in errors.

    Raises ProgrammingError, and NotSupportedError for YAML without PyYAML.
    """
    try:
        document = load_json(text)
    except (ValueError, RecursionError) as error:
        if file.lower().endswith(".json"):
            raise ProgrammingError(f"{file} is not JSON: {error}") from None
        document = _yaml(text, file)
    if isinstance(document, Mapping) and "props" not in document:
        named = document.get("values", document)
        if not isinstance(named, Mapping):
            raise ProgrammingError(f"{file}: values is {_shown(named)}; {EXAMPLE}")
        return {str(name): value for name, value in named.items() if _is_filled(value)}
    return _of_resources(document if isinstance(document, list) else [document], file)


def _of_resources(resources: list[Any], file: str) -> dict[str, JSON]:
    """The values of all resources. Two resources may have a prop of the same name only with the same value."""
    values: dict[str, JSON] = {}
    for one in resources:
        if not isinstance(one, Mapping) or not isinstance(one.get("props"), list):
            raise ProgrammingError(f"{file}: {_shown(one)} is not a resource with name and props; {EXAMPLE}")
        for name, value in _of_props(one["props"], f"{file}: {one.get('name')}").items():
            if values.setdefault(name, value) != value:
                raise ProgrammingError(
                    f"{file}: {name} has two values, {_shown(values[name])} and {_shown(value)}; write one of them"
                )
    return values


def _of_props(props: list[Any], place: str) -> dict[str, JSON]:
    values: dict[str, JSON] = {}
    for prop in props:
        if not isinstance(prop, Mapping) or not isinstance(prop.get("name"), str):
            raise ProgrammingError(f"{place}: {_shown(prop)} is not a prop; write - name: NAME and value: VALUE")
        name = prop["name"]
        if isinstance(prop.get("props"), list):
            nested = _of_props(prop["props"], f"{place}: {name}")
            if nested:
                values[name] = nested
        elif _is_filled(value := prop.get("value")) and not (isinstance(value, str) and value in TYPES):
            values[name] = value
    return values


def _is_filled(value: JSON) -> bool:
    """Whether the value is one, and contains no placeholder that is a value by itself."""
    if isinstance(value, Mapping):
        return all(map(_is_filled, value.values()))
    if isinstance(value, list):
        return all(map(_is_filled, value))
    return is_value(value)


def _yaml(text: str, file: str) -> JSON:
    try:
        import yaml
    except ImportError:
        raise NotSupportedError(
            f"{file} is not JSON, and YAML needs PyYAML: pip install 'openai-vtab[stackql]', or write the file as JSON"
        ) from None
    try:
        return _plain(yaml.safe_load(text))
    except yaml.YAMLError as error:
        advice = "; write a value for each {{ … }}, or quote it" if PLACEHOLDER.search(text) else ""
        raise ProgrammingError(f"{file} is not YAML: {' '.join(str(error).split())}{advice}") from None


def _plain(value: Any) -> JSON:
    """The value as JSON: YAML also has dates and bytes."""
    if isinstance(value, Mapping):
        return {str(name): _plain(member) for name, member in value.items()}
    if isinstance(value, list):
        return [_plain(member) for member in value]
    if isinstance(value, (datetime.date, datetime.datetime)):
        return value.isoformat()
    return value.decode("latin-1") if isinstance(value, bytes) else value


def _shown(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)[:60]
