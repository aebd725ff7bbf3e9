"""Opens pools of connections to one base URL, with what requests knows of proxies and certificates.

>>> pool, prefix, proxy = open_pool("http://127.0.0.1:8080/v1", None, size=16, kept_alive=True, direct=True)
>>> pool.urlopen("GET", prefix + "/files", headers={}, preload_content=False, timeout=30.0)
"""

from __future__ import annotations

import os
import ssl
from pathlib import Path
from typing import Any, cast

import requests.adapters
import requests.utils
import urllib3

from ..errors import ConfigurationError
from .deadline import DeadlineConnection, SingleUseConnection


def open_pool(
    base_url: str, ca_bundle: str | os.PathLike[str] | None, *, size: int, kept_alive: bool, direct: bool
) -> tuple[urllib3.HTTPConnectionPool, str, str]:
    """A pool of up to `size` connections, the URL's path in it, and what to do if its proxy cannot be used.

    It goes through a proxy if the environment names one, unless `direct`; without a proxy, the third value is "".
    Without `kept_alive`, each connection is used once. Raises ConfigurationError for an address, certificates or a
    proxy that cannot be used.
    """
    verify = _certificates(ca_bundle) if base_url.startswith("https:") else True
    probe = requests.PreparedRequest()
    proxies = {} if direct else requests.utils.get_environ_proxies(base_url)
    proxy = requests.utils.select_proxy(base_url, proxies)
    adapter = requests.adapters.HTTPAdapter(pool_connections=1, pool_maxsize=size)
    try:
        probe.prepare_url(base_url, None)
        pool: Any = adapter.get_connection_with_tls_context(probe, verify, proxies=proxies)
        adapter.cert_verify(pool, base_url, verify, None)  # type: ignore[no-untyped-call]
    except Exception as error:  # requests', urllib3's, OSError, ValueError: none of them has sent anything
        if proxy:
            raise ConfigurationError(_unusable(proxy, str(error))) from None
        raise ConfigurationError(f"base_url is {base_url!r}, which cannot be opened: {error}") from None
    kind = DeadlineConnection if kept_alive else SingleUseConnection
    pool.ConnectionCls = type("Connection", (kind, pool.ConnectionCls), {})
    instead = _unusable(proxy) if proxy else ""
    return cast("urllib3.HTTPConnectionPool", pool), adapter.request_url(probe, proxies).rstrip("/"), instead


def _certificates(ca_bundle: str | os.PathLike[str] | None) -> str | bool:
    """The certificates to trust: ca_bundle, else what the environment names as for requests, else True.

    They are read here once: a connection that cannot read them fails only when it is made, as if the network had.
    """
    named = {"ca_bundle": os.fspath(ca_bundle) if ca_bundle else None}
    named |= {name: os.environ.get(name) for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")}
    name, path = next(((name, path) for name, path in named.items() if path), ("", None))
    if path is None:
        return True
    try:
        if not Path(path).is_dir():
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(path)
    except (OSError, ValueError) as error:  # ssl.SSLError when it holds no certificate, ValueError for a NUL
        why = "it holds no certificate" if isinstance(error, (ssl.SSLError, ValueError)) else error.strerror
        raise ConfigurationError(
            f"{name} is {path!r}, no TLS CA certificate bundle that can be used: {why}; name a PEM file of "
            "certificates, or a folder of them"
        ) from None
    return path


def _unusable(proxy: str, problem: str = "") -> str:
    """What to do about a proxy that cannot be used, without the password that its address may hold."""
    scheme, _, rest = proxy.rpartition("://")
    address = f"{scheme}://{rest.rpartition('@')[2]}" if scheme else rest.rpartition("@")[2]
    name = next((name for name, value in os.environ.items() if value == proxy and name.lower().endswith("_proxy")), "")
    if scheme.lower().startswith("socks") and "Missing dependencies" in problem:
        advice = "install requests[socks], or name a proxy such as http://proxy.example.com:8080"
    else:
        advice = "write an address such as http://proxy.example.com:8080, or name the API's host in NO_PROXY"
    return f"{name or 'the proxy'} is {address!r}, a proxy that cannot be used; {advice}"
