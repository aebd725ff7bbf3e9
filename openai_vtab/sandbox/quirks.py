"""Quirks: how servers that imitate OpenAI's API, or OpenAI's own on another day, behave differently.

>>> sandbox.quirks.batch_get_returns_store = True
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Quirks:
    """Deviations from OpenAI's API that have been seen. All are off by default."""

    batch_get_returns_store: bool = False  # GET of a batch responds with the vector store object
    not_found_after_create_seconds: float = 0.0  # a new batch is 404 for this long
    file_not_found_after_upload_seconds: float = 0.0  # a new file is 404 for this long, and fails when it is attached
    file_not_found_after_attach_seconds: float = 0.0  # a GET of a newly attached file is 404 for this long
    delete_detaches: bool = False  # DELETE of a file takes it out of all stores, as the API's documentation says
    attached_file_is_not_deleted: bool = False  # DELETE of a file that is still attached is 409
    detach_from_all_stores: bool = False  # instead of from one
    unknown_id_is_400: bool = False  # instead of 404
    plain_errors: str | None = None  # "detail": {"detail": "…"}; "text": text/plain
    plural_object: bool = False  # a batch's object is "vector_store.files_batch"
    batch_ids_without_prefix: bool = False  # new ids are batch_…, and a GET accepts any id
    poll_after_ms: int | None = None  # the header openai-poll-after-ms on responses about batches
    after_ignored: bool = False  # the same page for every `after`, with has_more true
    unknown_after_is_first_page: bool = False  # instead of 400
    close_without_notice: bool = False  # close a kept-alive connection after each response
