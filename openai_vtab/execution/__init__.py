"""The threads: the requests of a statement, sent side by side."""
