"""The description of a table: its columns, methods, values and documentation."""
