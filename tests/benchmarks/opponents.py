"""What one writes without an SQL table: clients that fetch and create batches, upload files, and search.

They must not know SQLite, nor what is done with the answers. Each is as good as one would write it, and opens what
it needs itself; what a program would have at hand anyway (a session, the SDK's client) is made beforehand.

>>> Loop("http://127.0.0.1:8080/v1").fetch([("vs_1", "vsfb_1")])[0]["status"]
'completed'
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Protocol, TypeVar

import aiohttp
import openai
import requests
import requests.adapters

from .server import KEY, Batch

CONCURRENCY = 32
HEADERS = {"Authorization": f"Bearer {KEY}", "OpenAI-Beta": "assistants=v2"}
TIMEOUT = 30.0  # seconds

Pair = tuple[str, str]  # vector_store_id, batch_id
New = tuple[str, list[str]]  # vector_store_id, file_ids
Local = tuple[Path, dict[str, Any]]  # a file, and the attributes to attach it with
T = TypeVar("T")
R = TypeVar("R")
PURPOSE = "assistants"


class Client(Protocol):
    """Answers in the order of what was asked for."""

    def fetch(self, pairs: Sequence[Pair]) -> list[Batch]:
        """The batches with these keys."""

    def create(self, batches: Sequence[New]) -> list[Batch]:
        """Create these batches."""

    def upload(self, vector_store_id: str, files: Sequence[Local]) -> None:
        """Upload the files, and attach them all in one batch; without a vector store, only upload them."""

    def search(self, vector_store_id: str, queries: Sequence[str]) -> list[Batch]:
        """The responses to these searches."""

    def close(self) -> None:
        """Close the connections."""


class Aiohttp:
    """asyncio and aiohttp, with 32 connections that are kept alive."""

    def __init__(self, base_url: str, ca_bundle: str | None = None) -> None:
        self.base_url = base_url
        self.tls = ssl.create_default_context(cafile=ca_bundle)

    def fetch(self, pairs: Sequence[Pair]) -> list[Batch]:
        """All at once; the connector lets 32 of them through."""

        return self._got([url(self.base_url, *pair) for pair in pairs])

    def create(self, batches: Sequence[New]) -> list[Batch]:
        """All at once; the connector lets 32 of them through."""

        async def one(session: aiohttp.ClientSession, new: New) -> Batch:
            async with session.post(url(self.base_url, new[0]), json={"file_ids": new[1]}) as answer:
                answer.raise_for_status()
                return decoded(await answer.json())

        return asyncio.run(self._gathered(one, batches))

    def files(self, ids: Sequence[str]) -> list[Batch]:
        """The files with these ids, all at once; the connector lets 32 of them through."""

        return self._got([f"{self.base_url}/files/{file_id}" for file_id in ids])

    def _got(self, urls: Sequence[str]) -> list[Batch]:
        async def one(session: aiohttp.ClientSession, target: str) -> Batch:
            async with session.get(target) as answer:
                answer.raise_for_status()
                return decoded(await answer.json())

        return asyncio.run(self._gathered(one, urls))

    def pages(self, path: str, size: int) -> list[Batch]:
        """The objects of a list, page after page."""

        async def all_pages() -> list[Batch]:
            found: list[Batch] = []
            async with aiohttp.ClientSession(headers=HEADERS) as session:
                more, after = True, ""
                while more:
                    target = f"{self.base_url}{path}?limit={size}&order=desc{after}"
                    async with session.get(target) as answer:
                        answer.raise_for_status()
                        listed = await answer.json()
                    found += listed["data"]
                    more, after = listed["has_more"], f"&after={listed['last_id']}"
            return found

        return asyncio.run(all_pages())

    def upload(self, vector_store_id: str, files: Sequence[Local]) -> None:
        """All files at once; the connector lets 32 of them through."""

        async def one(session: aiohttp.ClientSession, local: Local) -> str:
            form = aiohttp.FormData()
            form.add_field("purpose", PURPOSE)
            form.add_field("file", local[0].read_bytes(), filename=local[0].name)
            async with session.post(f"{self.base_url}/files", data=form) as answer:
                answer.raise_for_status()
                return str(decoded(await answer.json())["id"])

        async def all_of_them() -> None:
            async with self._session() as session:
                ids = await asyncio.gather(*(one(session, local) for local in files))
                if not vector_store_id:
                    return
                body = attaching(ids, files)
                async with session.post(url(self.base_url, vector_store_id), json=body) as answer:
                    answer.raise_for_status()
                    await answer.json()

        asyncio.run(all_of_them())

    def search(self, vector_store_id: str, queries: Sequence[str]) -> list[Batch]:
        """All at once; the connector lets 32 of them through."""

        async def one(session: aiohttp.ClientSession, query: str) -> Batch:
            address = f"{self.base_url}/vector_stores/{vector_store_id}/search"
            async with session.post(address, json={"query": query, "max_num_results": 50}) as answer:
                answer.raise_for_status()
                return decoded(await answer.json())

        return asyncio.run(self._gathered(one, queries))

    def close(self) -> None:
        """Nothing is kept."""

    async def _gathered(self, one: Callable[[aiohttp.ClientSession, T], Awaitable[R]], items: Iterable[T]) -> list[R]:
        async with self._session() as session:
            return await asyncio.gather(*(one(session, item) for item in items))

    def _session(self) -> aiohttp.ClientSession:
        connector = aiohttp.TCPConnector(limit=CONCURRENCY, ssl=self.tls)
        timeout = aiohttp.ClientTimeout(total=None, sock_read=TIMEOUT)
        return aiohttp.ClientSession(connector=connector, headers=HEADERS, timeout=timeout)


class Loop:
    """requests.Session, one request after another."""

    def __init__(self, base_url: str) -> None:
        self.base_url = base_url
        self.session = requests.Session()
        self.session.headers.update(HEADERS)

    def fetch(self, pairs: Sequence[Pair]) -> list[Batch]:
        """One after another."""
        return [self._get(pair) for pair in pairs]

    def create(self, batches: Sequence[New]) -> list[Batch]:
        """One after another."""
        return [self._post(new) for new in batches]

    def upload(self, vector_store_id: str, files: Sequence[Local]) -> None:
        """One after another."""
        self._attach(vector_store_id, [self._upload(local) for local in files], files)

    def search(self, vector_store_id: str, queries: Sequence[str]) -> list[Batch]:
        """One after another."""
        address = f"{self.base_url}/vector_stores/{vector_store_id}/search"
        return [self._sent(address, {"query": query, "max_num_results": 50}) for query in queries]

    def close(self) -> None:
        """Close the connections."""
        self.session.close()

    def _get(self, pair: Pair) -> Batch:
        answer = self.session.get(url(self.base_url, *pair), timeout=TIMEOUT)
        answer.raise_for_status()
        return decoded(answer.json())

    def _post(self, new: New) -> Batch:
        return self._sent(url(self.base_url, new[0]), {"file_ids": new[1]})

    def _upload(self, local: Local) -> str:
        with local[0].open("rb") as file:
            form: Any = {"data": {"purpose": PURPOSE}, "files": {"file": (local[0].name, file)}}
            answer = self.session.post(f"{self.base_url}/files", **form, timeout=TIMEOUT)
        answer.raise_for_status()
        return str(decoded(answer.json())["id"])

    def _attach(self, vector_store_id: str, ids: Sequence[str], files: Sequence[Local]) -> None:
        if vector_store_id:
            self._sent(url(self.base_url, vector_store_id), attaching(ids, files))

    def _sent(self, address: str, body: object) -> Batch:
        answer = self.session.post(address, json=body, timeout=TIMEOUT)
        answer.raise_for_status()
        return decoded(answer.json())


class Threads(Loop):
    """The same requests by 32 threads that share a session."""

    def __init__(self, base_url: str) -> None:
        super().__init__(base_url)
        self.session.trust_env = False  # looking for proxies and a netrc is a fifth of what a request costs
        self.session.mount("http://", requests.adapters.HTTPAdapter(pool_maxsize=CONCURRENCY))

    def fetch(self, pairs: Sequence[Pair]) -> list[Batch]:
        """32 at a time."""
        with ThreadPoolExecutor(CONCURRENCY) as pool:
            return list(pool.map(self._get, pairs))

    def create(self, batches: Sequence[New]) -> list[Batch]:
        """32 at a time."""
        with ThreadPoolExecutor(CONCURRENCY) as pool:
            return list(pool.map(self._post, batches))

    def upload(self, vector_store_id: str, files: Sequence[Local]) -> None:
        """32 at a time."""
        with ThreadPoolExecutor(CONCURRENCY) as pool:
            ids = list(pool.map(self._upload, files))
        self._attach(vector_store_id, ids, files)


class OpenAISDK:
    """OpenAI's own package, one call after another."""

    def __init__(self, base_url: str) -> None:
        self.client = openai.OpenAI(base_url=base_url, api_key=KEY)
        self.batches = self.client.vector_stores.file_batches

    def fetch(self, pairs: Sequence[Pair]) -> list[Batch]:
        """One after another."""
        return [self.batches.retrieve(batch, vector_store_id=store).to_dict() for store, batch in pairs]

    def create(self, batches: Sequence[New]) -> list[Batch]:
        """One after another."""
        return [self.batches.create(store, file_ids=files).to_dict() for store, files in batches]

    def upload(self, vector_store_id: str, files: Sequence[Local]) -> None:
        """One after another."""
        ids = [self.client.files.create(file=path, purpose=PURPOSE).id for path, _ in files]
        if vector_store_id:
            self.batches.create(vector_store_id, **attaching(ids, files))

    def search(self, vector_store_id: str, queries: Sequence[str]) -> list[Batch]:
        """One after another."""
        search = self.client.vector_stores.search
        return [search(vector_store_id, query=query, max_num_results=50).to_dict() for query in queries]

    def close(self) -> None:
        """Close the connections."""
        self.client.close()


def url(base_url: str, vector_store_id: str, batch_id: str = "") -> str:
    """The address of a batch, or of all of a store."""
    return f"{base_url}/vector_stores/{vector_store_id}/file_batches" + (f"/{batch_id}" if batch_id else "")


def attaching(ids: Sequence[str], files: Sequence[Local]) -> dict[str, Any]:
    """The body of a request that attaches files."""
    pairs = zip(ids, files, strict=True)
    return {"files": [{"file_id": each, "attributes": attributes} for each, (_, attributes) in pairs]}


def decoded(answer: Any) -> Batch:
    """The answer, which must be an object."""
    assert isinstance(answer, dict)
    return answer
