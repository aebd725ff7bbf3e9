"""Starts a Python program whose `import sqlite3` is openai_vtab.dbapi with the settings of the command line.

    stand_in        the module that takes the place of sqlite3
    children        the same for Python processes that the program starts
    program         finds the program, and runs it in this process
    import_first    the folder that children import sqlite3 from

shell/run_command.py has the command line, `openai-vtab run`.
"""
