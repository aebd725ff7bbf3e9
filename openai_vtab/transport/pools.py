"""Opens pools of connections to one base URL, with what requests knows of proxies and certificates.

>>> pool, prefix, _ = open_pool("http://127.0.0.1:8080/v1", None, size=16, kept_alive=True, direct=True)
>>> round_trip(IdleConnections(pool, 16), "GET", prefix + "/files", None, {}, most=1_000_000)
"""

from __future__ import annotations

import os
import ssl
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple, cast

import requests.adapters
import requests.utils
import urllib3
from urllib3.util.ssl_ import create_urllib3_context

from ..errors import ConfigurationError
from .create_connections import CreateConnection
from .deadline import DeadlineConnection


class Opened(NamedTuple):
    """A pool of connections to one base URL.

    prefix: the URL's path in the pool. proxy: what to do if its proxy cannot be used, "" without one.
    """

    pool: urllib3.HTTPConnectionPool
    prefix: str
    proxy: str


def open_pool(
    base_url: str,
    ca_bundle: str | os.PathLike[str] | None,
    *,
    size: int,
    kept_alive: bool,
    direct: bool,
) -> Opened:
    """A pool of up to `size` connections; without `kept_alive`, they are for creates.

    It goes through a proxy if the environment names one, unless `direct`.
    Raises ConfigurationError for an address, certificates or a proxy that cannot be used.
    """
    verify, tls = _certificates(ca_bundle) if base_url.startswith("https:") else (True, None)
    probe = requests.PreparedRequest()
    proxies = {} if direct else requests.utils.get_environ_proxies(base_url)
    proxy = requests.utils.select_proxy(base_url, proxies)
    adapter = requests.adapters.HTTPAdapter(pool_connections=1, pool_maxsize=size)
    try:
        probe.prepare_url(base_url, None)
        pool: Any = adapter.get_connection_with_tls_context(probe, verify, proxies=proxies)
        if pool.proxy is not None and pool.proxy.scheme == "https":
            tls = None  # urllib3 verifies such a proxy by the certificates, and not by the context
        if tls is None:
            adapter.cert_verify(pool, base_url, verify, None)  # type: ignore[no-untyped-call]
        else:
            pool.cert_reqs, pool.ca_certs, pool.ca_cert_dir = "CERT_REQUIRED", None, None
            pool.conn_kw["ssl_context"] = tls
    except Exception as error:  # requests', urllib3's, OSError, ValueError: none of them has sent anything
        if proxy:
            raise ConfigurationError(_unusable(proxy, str(error))) from None
        raise ConfigurationError(f"base_url is {base_url!r}, which cannot be opened: {error}") from None
    kind = DeadlineConnection if kept_alive else CreateConnection
    pool.ConnectionCls = type("Connection", (kind, pool.ConnectionCls), {"goes_direct": not proxy})
    prefix = adapter.request_url(probe, proxies).rstrip("/")
    return Opened(cast("urllib3.HTTPConnectionPool", pool), prefix, _unusable(proxy) if proxy else "")


def _certificates(ca_bundle: str | os.PathLike[str] | None) -> tuple[str | bool, ssl.SSLContext]:
    """The certificates to trust: ca_bundle, else what the environment names as for requests, else True.

    They are read here: a connection that cannot read them would fail only when it is made, as if the network had.
    """
    named = {"ca_bundle": os.fspath(ca_bundle) if ca_bundle else None}
    named |= {name: os.environ.get(name) for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")}
    name, path = next(((name, path) for name, path in named.items() if path), ("", None))
    bundle = path or requests.utils.DEFAULT_CA_BUNDLE_PATH
    try:
        if Path(bundle).is_dir():  # OpenSSL reads its files when it needs them
            tls = create_urllib3_context()
            tls.load_verify_locations(capath=bundle)
        else:
            tls = _trusting(bundle, _version(bundle), os.environ.get("SSLKEYLOGFILE"))
    except (OSError, ValueError) as error:  # ssl.SSLError when it holds no certificate, ValueError for a NUL
        why = "it holds no certificate" if isinstance(error, (ssl.SSLError, ValueError)) else error.strerror
        raise ConfigurationError(
            f"{name or 'the bundle of certifi'} is {bundle!r}, which is not a usable bundle of CA certificates: {why}; "
            "name a PEM file of certificates, or a folder of them"
        ) from None
    return path or True, tls


@lru_cache(maxsize=4)
def _trusting(file: str, version: tuple[int, ...], keylog: str | None) -> ssl.SSLContext:
    """A context that trusts the certificates of a file. Raises OSError, ssl.SSLError or ValueError.

    All connections of the process share it, because to read the file takes about 40 ms of processor time. urllib3 has
    a context log its session keys to the file `keylog`.
    """
    tls = create_urllib3_context()
    tls.load_verify_locations(cafile=file)
    return tls


def _version(file: str) -> tuple[int, ...]:
    """What changes when a file is changed or replaced. Raises OSError or ValueError."""
    found = Path(file).stat()
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


def _unusable(proxy: str, problem: str = "") -> str:
    """The error for a proxy that cannot be used, without the password that its address may hold."""
    scheme, _, rest = proxy.rpartition("://")
    address = f"{scheme}://{rest.rpartition('@')[2]}" if scheme else rest.rpartition("@")[2]
    name = next((name for name, value in os.environ.items() if value == proxy and name.lower().endswith("_proxy")), "")
    if scheme.lower().startswith("socks") and "Missing dependencies" in problem:
        advice = "install requests[socks], or name a proxy such as http://proxy.example.com:8080"
    else:
        advice = "write an address such as http://proxy.example.com:8080, or name the API's host in NO_PROXY"
    return f"{name or 'the proxy'} is {address!r}, a proxy that cannot be used; {advice}"
