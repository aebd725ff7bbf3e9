"""The sync of a folder with a documents table: the job of `openai-vtab sync`, without its command line."""
