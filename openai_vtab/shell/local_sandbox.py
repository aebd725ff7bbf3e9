"""The sandbox of --sandbox: a local server with demo data, for as long as the command runs.

>>> settings = start_sandbox(resources)
>>> settings["base_url"]
'http://127.0.0.1:40123/v1'
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

from ..errors import NotSupportedError


def start_sandbox(resources: ExitStack) -> dict[str, Any]:
    """Start the sandbox, and return the settings to connect to it. Raises NotSupportedError without its packages."""
    try:
        from ..sandbox import run
    except ImportError as error:
        raise NotSupportedError(f"--sandbox needs {error.name}: pip install 'openai-vtab[sandbox]'") from None
    started = resources.enter_context(run())
    # The sandbox does not limit how many files are uploaded and attached per minute.
    unlimited = {"uploads_per_minute": 0, "attach_requests_per_minute": 0, "attach_files_per_minute": 0}
    return {"base_url": started.base_url, "api_key": started.api_key, **unlimited}
