"""A web server on this machine that a test reads from.

>>> Site(8001).rows("/my/vector_stores")
"""

from __future__ import annotations

import json
import subprocess
import time
import urllib.error
import urllib.request
from typing import Any
from urllib.parse import quote, urlencode


class Site:
    """The server at a port."""

    def __init__(self, port: int) -> None:
        self._address = f"http://127.0.0.1:{port}"

    def get(self, path: str, **parameters: str) -> tuple[int, str]:
        """The status and the body of a page."""
        url = f"{self._address}{quote(path)}?{urlencode(parameters)}"
        try:
            with urllib.request.urlopen(url, timeout=60) as response:  # noqa: S310 - this machine's own server
                return response.status, response.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()

    def rows(self, path: str, **parameters: str) -> Any:
        """The rows of a page of Datasette's as JSON."""
        status, body = self.get(f"{path}.json", _shape="array", **parameters)
        assert status == 200, body
        return json.loads(body)

    def is_up(self, process: subprocess.Popen[bytes]) -> bool:
        """Wait until the server responds. Returns False if its process has ended, or after two minutes."""
        end = time.monotonic() + 120
        while process.poll() is None and time.monotonic() < end:
            try:
                self.get("/")
            except OSError:
                time.sleep(0.2)
            else:
                return True
        return False
