"""The tests of CPython's sqlite3 that fail on openai_vtab.dbapi, and the reasons: data for __main__.py.

The list is for Python 3.11 to 3.13; a version need not have all of them. docs/guides/other-tools.md is for users.
"""

from __future__ import annotations

import sys

REASONS = {
    "the test prepares a statement by con(sql), which sqlite3 keeps for its own use and dbapi refuses": """
        test_dbapi.ModuleTests.test_disallow_instantiation
        test_regression.RegressionTests.test_connection_call
        test_regression.RegressionTests.test_large_sql
        test_regression.RegressionTests.test_surrogates
        test_userfunctions.FunctionTests.test_function_destructor_via_gc
    """,
    "version and version_info, deprecated and removed in Python 3.14, are left out": """
        test_dbapi.ModuleTests.test_deprecated_version
    """,
    "OptimizedUnicode and enable_shared_cache, removed in Python 3.12, are left out": """
        test_dbapi.ModuleTests.test_shared_cache_deprecated
        test_factory.TextFactoryTests.test_optimized_unicode
    """,
    "APSW refuses a file name that is not UTF-8": """
        test_dbapi.OpenTests.test_open_with_undecodable_path
    """,
    "APSW decodes text before it knows the column, so the error names no column": """
        test_regression.RegressionTests.test_error_msg_decode_error
    """,
    "an exception in a window function's finalize fails the statement; sqlite3 continues with a wrong result": """
        test_userfunctions.WindowFunctionTests.test_win_exception_in_finalize
        test_userfunctions.WindowFunctionTests.test_win_missing_finalize
    """,
    "the OverflowError has APSW's wording": """
        test_userfunctions.FunctionTests.test_too_large_int
    """,
    "a dump of data that violate a foreign key begins with PRAGMA foreign_keys=OFF, as in Python 3.13": """
        test_dump.DumpTests.test_table_dump
    """,
    "the warnings of Python 3.13 for positional and keyword arguments are not given": """
        test_dbapi.ConnectionTests.test_connect_positional_arguments
        test_factory.ConnectionFactoryTests.test_connection_factory_as_positional_arg
        test_hooks.ProgressTests.test_progress_handler_keyword_args
        test_hooks.TraceCallbackTests.test_trace_keyword_args
        test_userfunctions.AggregateTests.test_agg_keyword_args
        test_userfunctions.AuthorizerIllegalTypeTests.test_authorizer_keyword_args
        test_userfunctions.AuthorizerLargeIntegerTests.test_authorizer_keyword_args
        test_userfunctions.AuthorizerRaiseExceptionTests.test_authorizer_keyword_args
        test_userfunctions.AuthorizerTests.test_authorizer_keyword_args
        test_userfunctions.FunctionTests.test_func_keyword_args
    """,
    "no ResourceWarning is given for an open connection that is garbage-collected": """
        test_dbapi.ConnectionTests.test_connection_resource_warning
    """,
    "inspect.signature() shows a signature of Python code": """
        test_dbapi.ConnectionTests.test_connection_signature
    """,
}

FAILURES = {name: reason for reason, names in REASONS.items() for name in names.split()}

if sys.version_info < (3, 13):  # Its test does not expect the warning yet.
    del FAILURES["test_factory.ConnectionFactoryTests.test_connection_factory_as_positional_arg"]
else:
    del FAILURES["test_dump.DumpTests.test_table_dump"]
