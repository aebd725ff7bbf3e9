"""`python -m openai_vtab.sandbox --port 8080` runs the sandbox until Ctrl-C."""

from __future__ import annotations

import argparse
import contextlib
import errno
import threading

from . import KEY, Quirks, run


def main() -> None:
    """Run the sandbox with the command line's options, and print how to connect to it."""
    parser = argparse.ArgumentParser(
        prog="python -m openai_vtab.sandbox",
        description="Run a local server that answers like OpenAI's vector store API, until Ctrl-C.",
    )
    parser.add_argument("--port", type=int, default=0, help="the port on 127.0.0.1 (default: any free one)")
    parser.add_argument(
        "--latency", type=float, default=0.0, metavar="SECONDS", help="the delay of each response (default: 0)"
    )
    parser.add_argument(
        "--processing-seconds",
        type=float,
        default=2.0,
        metavar="SECONDS",
        help="how long a batch is in progress (default: 2)",
    )
    parser.add_argument("--api-key", default=KEY, help=f"the key to accept (default: {KEY})")
    parser.add_argument(
        "--plural-object",
        action="store_true",
        help="call a batch's object vector_store.files_batch, as the published description has it",
    )
    parser.add_argument("--empty", action="store_true", help="start without the demo data")
    options = parser.parse_args()
    try:
        with (
            contextlib.suppress(KeyboardInterrupt),
            run(
                port=options.port,
                latency=options.latency,
                processing_seconds=options.processing_seconds,
                api_key=options.api_key,
                seeded=not options.empty,
                quirks=Quirks(plural_object=options.plural_object),
            ) as sandbox,
        ):
            print(f"OPENAI_BASE_URL={sandbox.base_url} OPENAI_API_KEY={sandbox.api_key} openai-vtab", flush=True)
            threading.Event().wait()
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
        parser.error(f"port {options.port} is in use; give another one as --port, or none to use any free one")


if __name__ == "__main__":
    main()
