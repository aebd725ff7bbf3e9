"""The virtual tables: what APSW calls to plan, read and write a table."""
