"""Copies a resource from OpenAI's own description into openapi-vector-stores.json, with the schemas that it refers to.

    python -m tests.support.openapi openapi.json /models /models/{model}

openapi.json is a file of https://github.com/openai/openai-openapi.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

SPEC = Path(__file__).parent / "openapi-vector-stores.json"


def copy_paths(source: Any, spec: Any, paths: list[str]) -> None:
    """Copy the paths, and every component that they refer to and that is missing."""
    spec["paths"] |= {path: source["paths"][path] for path in paths}
    missing = [spec["paths"][path] for path in paths]
    while missing:
        for reference in references(missing.pop()):
            kind, name = reference.split("/")[2:]
            known = spec["components"].setdefault(kind, {})
            if name not in known:
                known[name] = source["components"][kind][name]
                missing.append(known[name])


def references(value: Any) -> Iterator[str]:
    """Yield each $ref at any depth."""
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        value = list(value.values())
    if isinstance(value, list):
        for member in value:
            yield from references(member)


if __name__ == "__main__":
    source, *paths = sys.argv[1:]
    spec = json.loads(SPEC.read_text(encoding="utf-8"))
    copy_paths(json.loads(Path(source).read_text(encoding="utf-8")), spec, paths)
    SPEC.write_text(json.dumps(spec, indent=1, ensure_ascii=False), encoding="utf-8")
