"""The long run of the fuzz targets, guided by coverage: atheris, libFuzzer for Python.

    pip install -e '.[fuzz]'
    python -m tests.fuzz answers -runs=1000000 [-seed=7] [CORPUS]
    python -m tests.fuzz statements -runs=50000

Everything behind the target's name is libFuzzer's: https://llvm.org/docs/LibFuzzer.html#options. It prints how many
executions there were and how much code they have reached (cov, ft), and stops at the first input that fails, which
it writes into a file; `python -m tests.fuzz answers FILE` runs that one again.
"""

from __future__ import annotations

import sys

import atheris

with atheris.instrument_imports(include=["openai_vtab"], enable_loader_override=False):
    from openai_vtab.transport.client import Client

    from .targets import ANSWERING, TARGETS


def main() -> None:
    """Run the target that the command line names."""
    name = sys.argv[1] if len(sys.argv) > 1 else ""
    if name not in TARGETS:
        sys.exit(f"python -m tests.fuzz {'|'.join(TARGETS)} [libFuzzer's options]")
    Client.send = ANSWERING.send  # type: ignore[method-assign]
    atheris.Setup([sys.argv[0], *sys.argv[2:]], TARGETS[name])
    atheris.Fuzz()


if __name__ == "__main__":
    main()
