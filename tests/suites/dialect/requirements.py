"""The features that SQLAlchemy's suite for dialects may expect of SQLite, and the reasons for those it may not.

Data for suite.py. A feature in neither list has SQLAlchemy's default for a new dialect. SQLAlchemy's own list for
SQLite, test/requirements.py of its source, is in no package; with this list, the same tests are run.

https://github.com/sqlalchemy/sqlalchemy/blob/main/README.dialects.rst
"""

from __future__ import annotations

from typing import Any

from sqlalchemy.testing import exclusions
from sqlalchemy.testing.requirements import SuiteRequirements

SUPPORTED = """
aggregate_order_by autocommit boolean_col_expressions check_constraint_reflection computed_columns
computed_columns_reflect_persisted computed_columns_stored computed_columns_virtual create_table_as
create_temp_table_as ctes ctes_on_dml ctes_with_update_delete ctes_with_values date_historic datetime_historic
datetime_literals dbapi_lastrowid except_
expression_server_defaults fetch_expression fetch_offset_with_options fk_constraint_option_reflection_ondelete_noaction
fk_constraint_option_reflection_ondelete_restrict fk_constraint_option_reflection_onupdate_restrict
float_or_double_precision_behaves_generically foreign_key_constraint_name_reflection
foreign_key_constraint_option_reflection_ondelete foreign_key_constraint_option_reflection_onupdate has_temp_table
index_ddl_if_exists indexes_check_column_order indexes_with_expressions infinity_floats inline_check_constraint_reflection
intersect isolation_level json_array_indexes json_type legacy_unconditional_json_extract mod_operator_as_percent_sign
non_updating_cascade nullsordering nvarchar_types order_by_collation order_by_label_with_expression
percent_schema_names precision_numerics_enotation_small precision_numerics_retains_significant_digits
reflect_table_options reflects_pk_names regexp_match repeated_column_foreign_keys repeated_remote_col_foreign_keys
server_defaults skip_autocommit_rollback supports_bitwise_and supports_bitwise_not supports_bitwise_or
supports_bitwise_shift supports_bitwise_xor table_ddl_if_exists temp_table_names temporary_views tuple_in
tuple_in_w_empty unicode_ddl update_from view_column_reflection view_reflection views window_functions window_range
window_range_numeric
"""

# Their tests are skipped.
UNSUPPORTED = {
    "SQLite keeps no comments": "comment_reflection comment_reflection_full_unicode temp_table_comment_reflection",
    "SQLite has no IDENTITY": "identity_columns",
    "SQLite has no type UUID": "uuid_data_type",
    "SQLite has LIMIT, not FETCH FIRST": "fetch_first fetch_no_order_by fetch_percent fetch_ties",
    "SQLite has no DELETE … USING": "delete_from",
    "SQLite has no CREATE SCHEMA": "schema_create_delete",
    "PRAGMA table_xinfo does not report the collation of a column": "column_collation_reflection",
    "SQLite's foreign keys cannot refer to another schema": "cross_schema_fk_reflection",
    "SQLite's indexes have no INCLUDE": "index_reflects_included_columns",
    "SQLite has no regexp_replace": "regexp_replace",
    "SQLite has no materialized views": "materialized_views",
    "SQLite has no CREATE OR REPLACE VIEW": "create_or_replace_view",
    "SQLite's RANGE accepts numbers only": "window_range_non_numeric",
    "SQLite gives constraints no names": "implicitly_named_constraints",
    "SQLite does not check foreign keys by default": "foreign_keys",
    "one connection may lock out another": "independent_connections",
}

# Their tests are run, and must fail.
FAILING = {
    "SQLite has no decimal numbers": "numeric_received_as_decimal_untyped cast_precision_numerics_many_significant_digits "
    "precision_numerics_many_significant_digits",
    "SQLite allows no parentheses in a compound SELECT": "parens_in_union_contained_select_w_limit_offset "
    "parens_in_union_contained_select_wo_limit_offset",
    "SQLite returns the last rowid": "emulated_lastrowid emulated_lastrowid_even_with_sequences",
    "the row count of RETURNING is known only after its rows are read": "sane_rowcount_w_returning",
}

IN_MEMORY = "a database in memory has one connection"
REASONS = {IN_MEMORY, *UNSUPPORTED, *FAILING}


class SQLiteRequirements(SuiteRequirements):
    """The lists as properties, which SQLAlchemy reads."""

    @property
    def independent_readonly_connections(self) -> Any:
        """Whether a second connection can read: not in memory."""
        return exclusions.skip_if(lambda config: config.db.url.database == ":memory:", IN_MEMORY)

    def get_order_by_collation(self, config: Any) -> str:
        """Return the name of a collation."""
        return "NOCASE"

    def get_isolation_levels(self, config: Any) -> dict[str, Any]:
        """Return the levels of SQLAlchemy's dialect for SQLite."""
        return {"default": "SERIALIZABLE", "supported": ["READ UNCOMMITTED", "SERIALIZABLE", "AUTOCOMMIT"]}


def _always(names: str, rule: Any) -> None:
    for name in names.split():
        setattr(SQLiteRequirements, name, property(lambda self: rule()))


_always(SUPPORTED, exclusions.open)
for reason, names in UNSUPPORTED.items():
    predicate = exclusions.BooleanPredicate(True, reason)
    _always(names, lambda predicate=predicate: exclusions.skip_if(predicate))
for reason, names in FAILING.items():
    predicate = exclusions.BooleanPredicate(True, reason)
    _always(names, lambda predicate=predicate: exclusions.fails_if(predicate))
