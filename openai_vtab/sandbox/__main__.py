"""`python -m openai_vtab.sandbox --port 8080` runs the sandbox alone, until Ctrl-C."""

from __future__ import annotations

import argparse
import contextlib
import threading

from . import KEY, run


def main() -> None:
    """Parse the options, run, and say how to connect."""
    parser = argparse.ArgumentParser(prog="python -m openai_vtab.sandbox", description="A stand-in for OpenAI's API.")
    parser.add_argument("--port", type=int, default=0, help="0 is any free port")
    parser.add_argument("--latency", type=float, default=0.0, metavar="SECONDS", help="how long each answer waits")
    parser.add_argument(
        "--processing-seconds", type=float, default=2.0, metavar="SECONDS", help="how long a batch takes"
    )
    parser.add_argument("--api-key", default=KEY, help="the key that is accepted")
    parser.add_argument("--empty", action="store_true", help="without the demo data")
    options = parser.parse_args()
    with run(
        port=options.port,
        latency=options.latency,
        processing_seconds=options.processing_seconds,
        api_key=options.api_key,
        seeded=not options.empty,
    ) as sandbox:
        print(f"OPENAI_BASE_URL={sandbox.base_url} OPENAI_API_KEY={sandbox.api_key} openai-vtab", flush=True)
        with contextlib.suppress(KeyboardInterrupt):
            threading.Event().wait()


if __name__ == "__main__":
    main()
