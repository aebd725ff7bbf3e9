"""The routes: an HTTP request in, an HTTP answer out, with OpenAI's paths, checks and error bodies.

It must not know sockets or faults. Paths are split before they are decoded, so that an id may contain a slash.

>>> App(State(), "key").answer(Received("GET", "/vector_stores/vs_demo", {"authorization": "Bearer key"}, b""))
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from werkzeug.formparser import parse_form_data

from . import search
from .faults import Quirks
from .state import JSON, STATUSES, Refusal, State, page


@dataclass
class Received:
    """A request as it came: `path` is without /v1, percent-encoded and with its query; header names in lower case."""

    method: str
    path: str
    headers: Mapping[str, str]
    raw: bytes
    status: int = 0  # what it was answered with; 0 while it is not, or when the connection was cut
    at: float = field(default_factory=time.time)

    @property
    def query(self) -> dict[str, str]:
        """The query string's parameters."""
        return dict(parse_qsl(urlsplit(self.path).query, keep_blank_values=True))

    @property
    def body(self) -> Any:
        """The JSON body, None without one, bytes when it is not JSON."""
        if not self.raw:
            return None
        try:
            return json.loads(self.raw)
        except ValueError:
            return self.raw

    @property
    def segments(self) -> list[str]:
        """The decoded parts of the path."""
        return [unquote(part) for part in self.path.partition("?")[0].strip("/").split("/")]


@dataclass
class Sent:
    """An answer."""

    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)


Route = Callable[["App", Received, list[str]], Any]


class App:
    """The API over one state."""

    def __init__(self, state: State, api_key: str, quirks: Quirks) -> None:
        self.state = state
        self.api_key = api_key
        self.quirks = quirks

    def answer(self, request: Received) -> Sent:
        """Carry the request out."""
        began = time.perf_counter()
        headers = {"content-type": "application/json"}
        try:
            self._authenticate(request)
            route, variables = self._route(request)
            with self.state.lock:
                self.state.batch_prefix = "batch_" if self.quirks.batch_ids_without_prefix else "vsfb_"
                found = route(self, request, variables)
            if isinstance(found, bytes):
                sent = Sent(200, found, {"content-type": "application/octet-stream"})
            else:
                sent = Sent(200, json.dumps(found).encode(), headers)
        except Refusal as refusal:
            sent = self.refused(refusal)
        if "file_batches" in request.path and self.quirks.poll_after_ms is not None:
            sent.headers["openai-poll-after-ms"] = str(self.quirks.poll_after_ms)
        sent.headers["x-request-id"] = "req_" + secrets.token_hex(16)
        sent.headers["openai-processing-ms"] = str(int((time.perf_counter() - began) * 1000))
        sent.headers["openai-version"] = "2020-10-01"
        return sent

    def refused(self, refusal: Refusal, type: str | None = None) -> Sent:
        """An error in OpenAI's body, or in that of a server with other habits."""
        status = refusal.status
        if status == 404 and self.quirks.unknown_id_is_400:
            status = 400
        if self.quirks.plain_errors == "text":
            return Sent(status, refusal.message.encode(), {"content-type": "text/plain; charset=utf-8"})
        body: Any = {
            "error": {
                "message": refusal.message,
                "type": type or ("invalid_request_error" if status < 500 else "server_error"),
                "param": refusal.param,
                "code": refusal.code,
            }
        }
        if self.quirks.plain_errors == "detail":
            body = {"detail": refusal.message}
        return Sent(status, json.dumps(body).encode(), {"content-type": "application/json"})

    def _authenticate(self, request: Received) -> None:
        given = request.headers.get("api-key") or request.headers.get("authorization", "").removeprefix("Bearer ")
        if not given:
            raise Refusal(401, "You didn't provide an API key.", code="missing_api_key")
        if given != self.api_key:
            raise Refusal(401, f"Incorrect API key provided: {given}.", code="invalid_api_key")

    def _route(self, request: Received) -> tuple[Route, list[str]]:
        segments = request.segments
        allowed = False
        for (method, pattern), route in ROUTES.items():
            parts = pattern.strip("/").split("/")
            if len(parts) == len(segments) and all(p in ("*", s) for p, s in zip(parts, segments, strict=True)):
                if method == request.method:
                    return route, [s for p, s in zip(parts, segments, strict=True) if p == "*"]
                allowed = True
        if allowed:
            raise Refusal(405, f"Not allowed to {request.method} on {request.path}.", code="method_not_supported")
        raise Refusal(404, f"Invalid URL ({request.method} /v1{request.path})")

    # files

    def list_files(self, request: Received, _: list[str]) -> JSON:
        """GET /files."""
        query = request.query
        files = [f for f in self.state.files.values() if query.get("purpose", f.purpose) == f.purpose]
        return self._page(files, query, lambda file: file.json(), most=10000, default=10000)

    def create_file(self, request: Received, _: list[str]) -> JSON:
        """POST /files, multipart."""
        environ: dict[str, Any] = {
            "wsgi.input": BytesIO(request.raw),
            "CONTENT_LENGTH": str(len(request.raw)),
            "CONTENT_TYPE": request.headers.get("content-type", ""),
            "REQUEST_METHOD": "POST",
        }
        with ExitStack() as uploads:
            form, files = parse_form_data(environ)[1:]
            for upload in files.values():
                uploads.callback(upload.close)
            contents = {name: (upload.filename or "upload", upload.read()) for name, upload in files.items()}
        for name, given in (("file", "file" in contents), ("purpose", "purpose" in form)):
            if not given:
                raise Refusal(400, f"Missing required parameter: '{name}'.", param=name, code="missing_parameter")
        expires_after: JSON | None = None
        if "expires_after[anchor]" in form:
            seconds = form.get("expires_after[seconds]", "")
            expires_after = {"anchor": form["expires_after[anchor]"]}
            expires_after["seconds"] = int(seconds) if seconds.isdecimal() else None
        return self.state.create_file(*contents["file"], form["purpose"], expires_after)

    def get_file(self, _: Received, variables: list[str]) -> JSON:
        """GET /files/{file_id}."""
        return self.state.file(variables[0]).json()

    def delete_file(self, _: Received, variables: list[str]) -> JSON:
        """DELETE /files/{file_id}."""
        return self.state.delete_file(variables[0])

    def file_content(self, _: Received, variables: list[str]) -> bytes:
        """GET /files/{file_id}/content."""
        return self.state.file(variables[0]).content

    # vector stores

    def list_stores(self, request: Received, _: list[str]) -> JSON:
        """GET /vector_stores."""
        now = self.state.clock()
        return self._page(list(self.state.stores.values()), request.query, lambda store: store.json(now))

    def create_store(self, request: Received, _: list[str]) -> JSON:
        """POST /vector_stores."""
        return self.state.create_store(_object(request, optional=True))

    def get_store(self, _: Received, variables: list[str]) -> JSON:
        """GET /vector_stores/{vector_store_id}."""
        return self.state.store(variables[0]).json(self.state.clock())

    def update_store(self, request: Received, variables: list[str]) -> JSON:
        """POST /vector_stores/{vector_store_id}."""
        return self.state.update_store(variables[0], _object(request))

    def delete_store(self, _: Received, variables: list[str]) -> JSON:
        """DELETE /vector_stores/{vector_store_id}."""
        return self.state.delete_store(variables[0])

    def search_store(self, request: Received, variables: list[str]) -> JSON:
        """POST /vector_stores/{vector_store_id}/search."""
        body = _object(request)
        store = self.state.store(variables[0])
        query = body.get("query")
        queries = [query] if isinstance(query, str) else query
        if not isinstance(queries, list) or not queries or not all(isinstance(q, str) for q in queries):
            raise Refusal(400, "Missing required parameter: 'query'.", param="query", code="missing_parameter")
        most = body.get("max_num_results", 10)
        if not isinstance(most, int) or not 1 <= most <= 50:
            raise Refusal(400, "Invalid 'max_num_results': Expected 1 to 50.", param="max_num_results")
        options = body.get("ranking_options") or {}
        threshold = options.get("score_threshold", 0) if isinstance(options, dict) else None
        if not isinstance(threshold, (int, float)) or not 0 <= threshold <= 1:
            raise Refusal(
                400, "Invalid 'ranking_options': Expected a score_threshold of 0 to 1.", param="ranking_options"
            )
        now = self.state.clock()
        documents = []
        for id, attachment in store.files.items():
            file = self.state.files.get(id)
            try:
                wanted = not body.get("filters") or search.passes(body["filters"], attachment.attributes or {})
            except (KeyError, TypeError):
                raise Refusal(
                    400, "Invalid 'filters': Expected a comparison or 'and', 'or'.", param="filters"
                ) from None
            if file and wanted and attachment.status(now) == "completed":
                documents.append((id, file.filename, file.content.decode("utf-8", "replace")))
        store.last_active_at = now
        hits = [hit for hit in search.ranked(queries, documents) if hit[0] >= threshold]
        return {
            "object": "vector_store.search_results.page",
            "search_query": queries,
            "data": [
                {
                    "file_id": id,
                    "filename": name,
                    "score": score,
                    "attributes": store.files[id].attributes or {},
                    "content": [{"type": "text", "text": text}],
                }
                for score, id, name, text in hits[:most]
            ],
            "has_more": len(hits) > most,
            "next_page": None,
        }

    # files of a vector store

    def list_store_files(self, request: Received, variables: list[str]) -> JSON:
        """GET /vector_stores/{vector_store_id}/files."""
        return self._files_page(list(self.state.store(variables[0]).files.values()), request)

    def attach(self, request: Received, variables: list[str]) -> JSON:
        """POST /vector_stores/{vector_store_id}/files."""
        return self.state.attach(variables[0], _object(request))

    def get_store_file(self, _: Received, variables: list[str]) -> JSON:
        """GET /vector_stores/{vector_store_id}/files/{file_id}."""
        return self.state.attachment(*variables).json(self.state.clock())

    def update_store_file(self, request: Received, variables: list[str]) -> JSON:
        """POST /vector_stores/{vector_store_id}/files/{file_id}."""
        return self.state.update_attachment(variables[0], variables[1], _object(request))

    def detach(self, _: Received, variables: list[str]) -> JSON:
        """DELETE /vector_stores/{vector_store_id}/files/{file_id}."""
        return self.state.detach(*variables)

    def store_file_content(self, _: Received, variables: list[str]) -> JSON:
        """GET /vector_stores/{vector_store_id}/files/{file_id}/content."""
        attachment = self.state.attachment(*variables)
        text = self.state.file(attachment.id).content.decode("utf-8", "replace")
        return {
            "object": "vector_store.file_content.page",
            "data": [{"type": "text", "text": part} for part in search.chunks(text)],
            "has_more": False,
            "next_page": None,
        }

    # batches

    def create_batch(self, request: Received, variables: list[str]) -> JSON:
        """POST /vector_stores/{vector_store_id}/file_batches."""
        return self._batch(self.state.create_batch(variables[0], _object(request)))

    def get_batch(self, _: Received, variables: list[str]) -> JSON:
        """GET /vector_stores/{vector_store_id}/file_batches/{batch_id}."""
        now = self.state.clock()
        batch = self.state.batch(*variables)
        if now < batch.created_at + self.quirks.not_found_after_create_seconds:
            raise Refusal(404, f"No file batch found with id '{batch.id}' in vector store '{batch.store_id}'.")
        if self.quirks.batch_get_returns_store:
            answer = batch.json(now)
            kept = {"status": answer["status"], "file_counts": answer["file_counts"]}
            return {**self.state.store(variables[0]).json(now), **kept}
        return self._batch(batch.json(now))

    def cancel_batch(self, _: Received, variables: list[str]) -> JSON:
        """POST /vector_stores/{vector_store_id}/file_batches/{batch_id}/cancel."""
        return self._batch(self.state.cancel_batch(*variables))

    def list_batch_files(self, request: Received, variables: list[str]) -> JSON:
        """GET /vector_stores/{vector_store_id}/file_batches/{batch_id}/files."""
        return self._files_page(self.state.batch(*variables).files, request)

    def _batch(self, answer: JSON) -> JSON:
        return {**answer, "object": "vector_store.files_batch"} if self.quirks.plural_object else answer

    def _files_page(self, attachments: list[Any], request: Received) -> JSON:
        now = self.state.clock()
        wanted = request.query.get("filter")
        if wanted is not None and wanted not in STATUSES:
            problem = f"Invalid value: '{wanted}'. Supported values are: {', '.join(map(repr, STATUSES))}."
            raise Refusal(400, problem, param="filter", code="invalid_value")
        files = [a for a in attachments if wanted in (None, a.status(now))]
        return self._page(files, request.query, lambda attachment: attachment.json(now))

    def _page(
        self,
        items: list[Any],
        query: dict[str, str],
        to_json: Callable[[Any], JSON],
        most: int = 100,
        default: int = 20,
    ) -> JSON:
        if self.quirks.after_ignored and query.pop("after", None) is not None:
            return {**page(items, query, to_json, most, default), "has_more": True}
        return page(items, query, to_json, most, default, self.quirks.unknown_after_is_first_page)


def _object(request: Received, optional: bool = False) -> JSON:
    body = request.body
    if body is None and optional:
        return {}
    if not isinstance(body, dict):
        message = "We could not parse the JSON body of your request."
        raise Refusal(400, message, code="invalid_json")
    return body


_STORE = "/vector_stores/*"
ROUTES: dict[tuple[str, str], Route] = {
    ("GET", "/files"): App.list_files,
    ("POST", "/files"): App.create_file,
    ("GET", "/files/*"): App.get_file,
    ("DELETE", "/files/*"): App.delete_file,
    ("GET", "/files/*/content"): App.file_content,
    ("GET", "/vector_stores"): App.list_stores,
    ("POST", "/vector_stores"): App.create_store,
    ("GET", _STORE): App.get_store,
    ("POST", _STORE): App.update_store,
    ("DELETE", _STORE): App.delete_store,
    ("POST", f"{_STORE}/search"): App.search_store,
    ("GET", f"{_STORE}/files"): App.list_store_files,
    ("POST", f"{_STORE}/files"): App.attach,
    ("GET", f"{_STORE}/files/*"): App.get_store_file,
    ("POST", f"{_STORE}/files/*"): App.update_store_file,
    ("DELETE", f"{_STORE}/files/*"): App.detach,
    ("GET", f"{_STORE}/files/*/content"): App.store_file_content,
    ("POST", f"{_STORE}/file_batches"): App.create_batch,
    ("GET", f"{_STORE}/file_batches/*"): App.get_batch,
    ("POST", f"{_STORE}/file_batches/*/cancel"): App.cancel_batch,
    ("GET", f"{_STORE}/file_batches/*/files"): App.list_batch_files,
}
