"""The text of a file: whether it can be indexed, and the passages that it is cut into.

>>> problem("prices.csv", b"lamp,19.90")
{'code': 'unsupported_file', 'message': 'The file type is not supported.'}
>>> passages("one two three", size=100, overlap=50)
['one two three']

https://platform.openai.com/docs/assistants/tools/file-search#supported-files
"""

from __future__ import annotations

import codecs
from posixpath import splitext

from .objects import JSON

TEXT_TYPES = frozenset(
    ".c .cpp .cs .css .go .html .java .js .json .md .php .py .rb .sh .tex .ts .txt".split()  # noqa: SIM905 - readable
)
# The API extracts the text of these. The sandbox takes their bytes for text, whatever they are.
DOCUMENT_TYPES = frozenset({".doc", ".docx", ".pdf", ".pptx"})
CHARACTERS_PER_TOKEN = 4  # about as many as in English text


def problem(filename: str, content: bytes) -> JSON | None:
    """The last_error that the file will have in a vector store, None if it can be indexed."""
    text = text_of(filename, content)
    if text is None:
        return {"code": "unsupported_file", "message": "The file type is not supported."}
    if not text.strip():
        return {"code": "invalid_file", "message": "The file could not be parsed because it is empty."}
    return None


def text_of(filename: str, content: bytes) -> str | None:
    """The file's text: UTF-8, or UTF-16 with a byte order mark. None for a type or for bytes that are no text."""
    suffix = splitext(filename)[1].lower()
    if suffix in DOCUMENT_TYPES:
        return content.decode("utf-8", "replace")
    if suffix not in TEXT_TYPES:
        return None
    encoding = "utf-16" if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "utf-8-sig"
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError:
        return None
    return None if "\0" in text else text


def passages(text: str, size: int, overlap: int = 0) -> list[str]:
    """The text in passages of up to `size` tokens, cut between words where possible.

    Each passage begins with the last `overlap` tokens of the one before.
    """
    length, step_back = size * CHARACTERS_PER_TOKEN, overlap * CHARACTERS_PER_TOKEN
    parts: list[str] = []
    begin = 0
    while begin + length < len(text):
        end = text.rfind(" ", begin + step_back + 1, begin + length) + 1 or begin + length
        parts.append(text[begin:end])
        begin = end - step_back
    return [*parts, text[begin:]]
