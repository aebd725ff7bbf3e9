"""StackQL's statements as SQLite's SQL, without I/O.

>>> translate("SELECT status FROM openai.vector_stores.file_batches WHERE batch_id = 'vsfb_…'")
'SELECT status FROM "openai.vector_stores.file_batches" WHERE batch_id = \\'vsfb_…\\''
>>> fill("SELECT '{{ name }}'", {"name": "it's"})
"SELECT 'it''s'"

docs/guides/stackql.md is the manual; https://stackql.io/docs describes StackQL.
"""

from .manifest import parse as parse_manifest
from .placeholders import fill
from .translation import divide, translate

__all__ = ["divide", "fill", "parse_manifest", "translate"]
