"""Models of servers that resemble OpenAI's: a sandbox with what was seen of each, one file for a server.

A model has the differences that were seen when the server itself was tried, and no others: it is not the server.
`python -m tests.servers.capabilities` records them.
"""

from __future__ import annotations

from . import llama_stack, ogx
from .model import Model

MODELS: tuple[Model, ...] = (ogx.MODEL, llama_stack.MODEL)
