"""The server that all are measured against: aiohttp on loopback, in a process of its own, with a latency.

It listens on a second port with TLS, which contestants reach through a proxy that delays every byte (delay.py).

It must not know who asks. Every batch exists, and what is said of it follows from its id, so that a row under a
wrong key is noticed. The package's sandbox is not used: it has a thread for each connection, and would itself be
the bottleneck.

>>> with running() as server:
...     server.reset(latency=0.05)
...     requests.get(f"{server.base_url}/vector_stores/vs_1/file_batches/vsfb_1")
...     server.counters().requests
1
"""

from __future__ import annotations

import asyncio
import http.client
import json
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any
from zlib import crc32

import certifi
import trustme
from aiohttp import web

from .document_answers import Files, Received, file_name, received

ROOT = Path(__file__).parents[2]
KEY = "sk-of-no-worth"
KEEP_ALIVE = 3600.0  # seconds; a connection never ends within a run
KEPT = 1 << 20  # bytes: the body of a larger upload is dropped while it is read
LISTED = "vsfb_listed"  # a batch that has as many files as the parent process says
HEAD = 1 << 12  # bytes: the name of its file is within them

Batch = dict[str, Any]


def batch(vector_store_id: str, batch_id: str, files: int | None = None) -> Batch:
    """What the server says of a batch."""
    number = crc32(batch_id.encode())
    total = number % 2000 + 1 if files is None else files
    return {
        "id": batch_id,
        "object": "vector_store.file_batch",
        "created_at": 1_700_000_000 + number % 10_000_000,
        "vector_store_id": vector_store_id,
        "status": "completed",
        "file_counts": {"in_progress": 0, "completed": total, "failed": 0, "cancelled": 0, "total": total},
    }


ACCOUNT = "file-account-"  # the ids of the account's files begin with this
FILES = 1_916  # of the account, all in each vector store, unless the server is told another number


LARGE = "large-"  # objects whose ids have this in them are large: their contents, or the whole response
LARGE_CONTENT = b"x" * 30_000_000


def file_ids(files: int = FILES, begin: int = 0, limit: int | None = None) -> list[str]:
    """The ids of the account's files, newest first."""
    end = files if limit is None else min(files, begin + limit)
    return [f"{ACCOUNT}{number:05}" for number in range(begin, end)]


def file(file_id: str) -> Batch:
    """What the server says of a file of the account."""
    number = int(file_id.removeprefix(ACCOUNT).removeprefix(LARGE))
    return {
        "id": file_id,
        "object": "file",
        "bytes": len(LARGE_CONTENT) if LARGE in file_id else number,
        "created_at": 1_700_000_000 - number,
        "filename": f"document {number}.md",
        "purpose": "assistants",
        "status": "processed",
        "expires_at": None,
        "status_details": None,
    }


def store_file(vector_store_id: str, file_id: str) -> Batch:
    """What the server says of a file of a vector store."""
    number = int(file_id.removeprefix(ACCOUNT))
    return {
        "id": file_id,
        "object": "vector_store.file",
        "usage_bytes": number * 2,
        "created_at": 1_700_000_000 - number,
        "vector_store_id": vector_store_id,
        "status": "completed",
        "last_error": None,
        "attributes": {},
        "chunking_strategy": {"type": "static", "static": {"max_chunk_size_tokens": 800, "chunk_overlap_tokens": 400}},
    }


def page(objects: Callable[[str], Batch], files: int, limit: int, after: str | None) -> Batch:
    """A page of a list of the account's files."""
    begin = int(after.removeprefix(ACCOUNT)) + 1 if after else 0
    data = [objects(file_id) for file_id in file_ids(files, begin, limit)]
    last = data[-1]["id"] if data else None
    return {"object": "list", "data": data, "last_id": last, "has_more": begin + limit < files}


@dataclass
class Counters:
    """What has been asked since the last reset.

    most_in_flight: the highest number of requests that waited for their answers at one time.
    connections: how many were opened.
    created: the vector store and the file ids of each batch that was created. If the request gave attributes, they
        follow the id.
    uploaded: filename, bytes and CRC-32 of each file; of a large one, the bytes of the whole form, and 0.
    processor: seconds of processor time that the server has used.
    """

    requests: int = 0
    most_in_flight: int = 0
    connections: int = 0
    created: list[tuple[str, list[str]]] = field(default_factory=list)
    uploaded: list[Received] = field(default_factory=list)
    processor: float = 0.0


@dataclass
class Running:
    """The server as its parent process sees it.

    base_url, ca_bundle: what the contestants are given.
    distant_url: the same server over TLS, behind a delay.
    """

    base_url: str
    control: http.client.HTTPConnection  # kept open, so that control itself opens no connection; heeds no proxy
    distant_url: str
    certificates: str
    ca_bundle: str | None = None

    @property
    def distant(self) -> Running:
        """The same server, for contestants at a distance."""
        return replace(self, base_url=self.distant_url, ca_bundle=self.certificates)

    def reset(self, latency: float, files: int = FILES) -> None:
        """Count from zero; answer after so many seconds, and have so many files in the account, from now on."""
        self._ask("PUT", json.dumps({"latency": latency, "account": files}))

    def list_files(self, count: int) -> None:
        """Let the batch LISTED have so many files."""
        self._ask("PUT", json.dumps({"latency": 0.0, "listed": count}))

    def counters(self) -> Counters:
        """What has been asked since the last reset."""
        counted = Counters(**self._ask("GET"))
        counted.created = [(store, files) for store, files in counted.created]
        counted.uploaded = [(name, size, checksum) for name, size, checksum in counted.uploaded]
        return counted

    def _ask(self, method: str, body: str | None = None) -> Any:
        self.control.request(method, "/control", body)
        return json.loads(self.control.getresponse().read())


@contextmanager
def running() -> Iterator[Running]:
    """Start the server and the delay, and end them with the block.

    They also end when this process is killed: their stdin closes.
    """
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="openai_vtab-benchmarks-")))
        authority = trustme.CA()
        # a bundle of the usual size: to read it costs time
        bundle = Path(certifi.where()).read_bytes() + authority.cert_pem.bytes()
        (folder / "authorities.pem").write_bytes(bundle)
        authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(str(folder / "server.pem"))
        plain, secured = stack.enter_context(listening(__spec__.name, str(folder / "server.pem")))
        (delayed,) = stack.enter_context(listening("tests.benchmarks.delay", str(secured)))
        control = http.client.HTTPConnection("127.0.0.1", plain, timeout=10)
        stack.callback(control.close)
        distant = f"https://127.0.0.1:{delayed}/v1"
        yield Running(f"http://127.0.0.1:{plain}/v1", control, distant, str(folder / "authorities.pem"))


@contextmanager
def listening(module: str, *arguments: str) -> Iterator[list[int]]:
    """Start a process that says on stdout on which ports it listens."""
    command = [sys.executable, "-m", module, *arguments]
    process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    with process:
        assert process.stdout is not None
        try:
            yield [int(port) for port in process.stdout.readline().split()]
        finally:
            process.terminate()


class Server(web.Server):
    """aiohttp's low-level server: no routing and no middlewares, which would cost as much as the rest."""

    def __init__(self) -> None:
        super().__init__(self.answer, access_log=None, keepalive_timeout=KEEP_ALIVE)
        self.latency = 0.0
        self.account = FILES
        self.counters = Counters()
        self.reset_at = 0.0  # seconds of processor time
        self.in_flight = 0
        self.created = 0  # never reset: ids are not given twice
        self.files = Files()

    def connection_made(self, handler: Any, transport: Any) -> None:
        """A connection was opened."""
        self.counters.connections += 1
        super().connection_made(handler, transport)

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer any request."""
        parts = request.path.split("/")[1:]
        if parts == ["control"]:
            return await self.controlled(request)
        self.counters.requests += 1
        self.in_flight += 1
        self.counters.most_in_flight = max(self.counters.most_in_flight, self.in_flight)
        try:
            if self.latency:
                await asyncio.sleep(self.latency)
            match request.method, parts:
                case "GET", ["v1", *_, "content"]:
                    return large(parts)
                case "GET", ["v1", "vector_stores", store, "file_batches", batch_id]:
                    files = self.files.batches.get(batch_id)
                    padding = {"padding": LARGE_CONTENT.decode()} if LARGE in batch_id else {}
                    return said(batch(store, batch_id, None if files is None else len(files)) | padding)
                case "POST", ["v1", "vector_stores", store, "file_batches"]:
                    return said(self.create(store, await request.json()))
                case "GET", ["v1", "files"]:
                    return said(page(file, self.account, *asked_for(request)))
                case "GET", ["v1", "files", file_id]:
                    return said(file(file_id))
                case "GET", ["v1", "vector_stores", store, "files"]:
                    return said(page(partial(store_file, store), self.account, *asked_for(request)))
                case "GET", ["v1", "vector_stores", store, "files", file_id] if file_id.startswith(ACCOUNT):
                    return said(store_file(store, file_id))
                case _, ["v1", *about]:
                    if (answer := await self.about_files(request, about)) is not None:
                        return said(answer)
            return said({"error": {"message": f"no such path: {request.method} {request.path}"}}, 404)
        finally:  # before the answer is written: with its first byte a client may begin the next request
            self.in_flight -= 1

    def create(self, store: str, asked: Any) -> Batch:
        """Create a batch, which is completed at once."""
        items = asked.get("files") or [{"file_id": each} for each in asked["file_ids"]]
        named = [item["file_id"] + json.dumps(item.get("attributes", "")).strip('"') for item in items]
        self.counters.created.append((store, named))
        self.created += 1
        batch_id = f"vsfb_created_{self.created}"
        self.files.batches[batch_id] = [item["file_id"] for item in items]
        return batch(store, batch_id, len(items))

    async def about_files(self, request: web.BaseRequest, about: list[str]) -> Any:
        """What is said of files; None for a path that there is not."""
        match request.method, about:
            case "POST", ["files"]:
                form = await upload(request)
                self.counters.uploaded.append(form)
                return self.files.uploaded(form)
            case "GET", ["vector_stores", store, "file_batches", batch_id, "files"]:
                limit, after = request.query.get("limit", "20"), request.query.get("after")
                return self.files.listed(store, batch_id, int(limit), after)
            case "GET", ["vector_stores", store, "files", each]:
                return self.files.attached(store, each)
            case "POST", ["vector_stores", _, "search"]:
                return self.files.found((await request.json())["query"])
            case "DELETE", ["vector_stores", _, "files", each]:
                return self.files.deleted("vector_store.file", each)
            case "DELETE", ["files", each]:
                return self.files.deleted("file", each)
        return None

    async def controlled(self, request: web.BaseRequest) -> web.StreamResponse:
        """The parent process asks for the counters, or resets them."""
        if request.method == "PUT":
            asked = await request.json()
            self.latency = asked["latency"]
            self.account = asked.get("account", self.account)
            if "listed" in asked:
                self.files.batches[LISTED] = [f"file-{number}" for number in range(asked["listed"])]
            self.counters = Counters()
            self.reset_at = time.process_time()
        self.counters.processor = time.process_time() - self.reset_at
        return said(asdict(self.counters))


def asked_for(request: web.BaseRequest) -> tuple[int, str | None]:
    """The size of the page of a list, and the id that it begins after."""
    return int(request.query["limit"]), request.query.get("after")


async def upload(request: web.BaseRequest) -> Received:
    """The file of an upload."""
    if (request.content_length or 0) <= KEPT:
        return received(request.headers["Content-Type"], await request.content.read())
    first, size = b"", 0
    async for chunk in request.content.iter_any():
        if size < HEAD:
            first += chunk
        size += len(chunk)
    return file_name(first), size, 0


def large(parts: list[str]) -> web.Response:
    """The content of a file, or the text that was extracted from it."""
    if len(parts) == len(["v1", "files", "file_id", "content"]):
        return web.Response(body=LARGE_CONTENT, content_type="application/octet-stream")
    return said({"data": [{"type": "text", "text": LARGE_CONTENT.decode()}], "has_more": False})


def said(body: object, status: int = 200) -> web.Response:
    """A JSON answer."""
    return web.Response(body=json.dumps(body).encode(), content_type="application/json", status=status)


async def serve(certificate: str) -> None:
    """Listen on two ports that are free, the second with TLS; say which on stdout, and stop when stdin ends."""
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(certificate)
    runner = web.ServerRunner(Server())
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, backlog=256).start()
    await web.TCPSite(runner, "127.0.0.1", 0, backlog=256, ssl_context=tls).start()
    print(*(address[1] for address in runner.addresses), flush=True)
    ended = asyncio.Event()
    asyncio.get_running_loop().add_reader(sys.stdin, ended.set)
    await ended.wait()
    await runner.cleanup()


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1]))
