"""PEP 249's type objects; adapters and converters are in test_parity.py."""

from __future__ import annotations

from openai_vtab import dbapi


def test_type_objects_equal_declared_types() -> None:
    """They also equal themselves and can be hashed."""
    assert dbapi.STRING == "VARCHAR(20)"
    assert dbapi.NUMBER == "integer"
    assert dbapi.BINARY != "TEXT"
    assert {dbapi.STRING, dbapi.ROWID} == {dbapi.ROWID, dbapi.STRING}
