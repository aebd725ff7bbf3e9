"""Which of CPython's tests of sqlite3 fail on openai_vtab.dbapi, and why: data for __main__.py.

Python 3.11 to 3.13; a test that a version does not have is not missed. docs/dbapi.md says the same to users.
"""

from __future__ import annotations

import sys

REASONS = {
    "it prepares a statement by con(sql), which is sqlite3's own way and refused": """
        test_dbapi.ModuleTests.test_disallow_instantiation
        test_regression.RegressionTests.test_connection_call
        test_regression.RegressionTests.test_large_sql
        test_regression.RegressionTests.test_surrogates
        test_userfunctions.FunctionTests.test_function_destructor_via_gc
    """,
    "version and version_info are deprecated, gone from Python 3.14, and not there": """
        test_dbapi.ModuleTests.test_deprecated_version
    """,
    "OptimizedUnicode and enable_shared_cache are deprecated, gone from Python 3.12, and not there": """
        test_dbapi.ModuleTests.test_shared_cache_deprecated
        test_factory.TextFactoryTests.test_optimized_unicode
    """,
    "APSW refuses a file name that is not UTF-8": """
        test_dbapi.OpenTests.test_open_with_undecodable_path
    """,
    "APSW decodes text before it says which column it is of: the error names none": """
        test_regression.RegressionTests.test_error_msg_decode_error
    """,
    "an exception in a window function's finalize ends the statement; sqlite3 goes on with a wrong result": """
        test_userfunctions.WindowFunctionTests.test_win_exception_in_finalize
        test_userfunctions.WindowFunctionTests.test_win_missing_finalize
    """,
    "the OverflowError has APSW's wording": """
        test_userfunctions.FunctionTests.test_too_large_int
    """,
    "a dump whose data violate a foreign key begins with PRAGMA foreign_keys=OFF, as from Python 3.13": """
        test_dump.DumpTests.test_table_dump
    """,
    "Python 3.13's deprecation of positional and keyword arguments is not taken over": """
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
    "an open connection that is collected gives no ResourceWarning": """
        test_dbapi.ConnectionTests.test_connection_resource_warning
    """,
    "inspect.signature() is that of Python code": """
        test_dbapi.ConnectionTests.test_connection_signature
    """,
}

FAILURES = {name: reason for reason, names in REASONS.items() for name in names.split()}

if sys.version_info < (3, 13):  # it does not expect the warning yet
    del FAILURES["test_factory.ConnectionFactoryTests.test_connection_factory_as_positional_arg"]
else:
    del FAILURES["test_dump.DumpTests.test_table_dump"]
