"""Which documents the API has refused, of a COMMIT that failed: the others can be sent without them.

>>> refused_rows(error, {1: "a.md", 2: "b.exe"})
{2: 'POST https://api.openai.com/v1/files: 400 Invalid extension …'}
"""
