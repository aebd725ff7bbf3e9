"""The steps of a COMMIT that change something at the API, as an intent names them.

>>> Step("upload")
<Step.UPLOAD: 'upload'>
"""

from __future__ import annotations

from enum import StrEnum


class Step(StrEnum):
    """One request of a COMMIT."""

    STORE = "store"  # create the vector store
    UPLOAD = "upload"
    ATTACH = "attach"
    ATTRIBUTES = "attributes"
    DETACH = "detach"
    DELETE = "delete"
