"""What a table is: its columns, methods, values and documentation."""
