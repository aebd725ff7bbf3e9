"""A folder to an answer, with OpenAI's SDK and with ours: requests, seconds, and what a killed process leaves.

    pip install -e '.[bench,sandbox]' && python -m tests.benchmarks.sdk

Both are programs of their own, against a sandbox whose responses take 50 ms, and that processes files at once.
docs/guides/sdk.md has the results.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from openai_vtab import sandbox
from openai_vtab.sandbox import Sandbox

DOCUMENTS, CHANGED, BYTES, LATENCY, RUNS = 100, 10, 2000, 0.05, 3
QUESTION = "what does number 7 say"
PROGRAM = Path(__file__).with_name("sdk_sync.py")
STATEMENTS = Path(__file__).with_name("sdk_sync.sql")
COMMANDS = {
    "SDK": [sys.executable, str(PROGRAM), "docs", "Handbook", QUESTION],
    "ours": [sys.executable, "-m", "openai_vtab", "my.db"],
}


def environment(api: Sandbox) -> dict[str, str]:
    """The environment in which both programs find the sandbox."""
    return {**os.environ, "OPENAI_API_KEY": api.api_key, "OPENAI_BASE_URL": api.base_url}


def start(who: str, folder: str, api: Sandbox) -> subprocess.Popen[str]:
    """Start the program in a folder that has docs/."""
    with STATEMENTS.open(encoding="utf-8") as statements:
        return subprocess.Popen(
            COMMANDS[who],
            stdin=statements if who == "ours" else None,
            cwd=folder,
            env=environment(api),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )


def finish(process: subprocess.Popen[str]) -> str:
    """Wait for the program. Returns its output."""
    output, problems = process.communicate(timeout=120)
    assert process.returncode == 0, problems
    return output


def write(folder: str, numbers: range, word: str = "says") -> None:
    """Write documents of BYTES bytes."""
    (Path(folder) / "docs").mkdir(exist_ok=True)
    for number in numbers:
        text = f"# Number {number}\n\nNumber {number} {word} {number * 7919}.\n"
        (Path(folder) / "docs" / f"{number:03}.md").write_text(text.ljust(BYTES, "."), encoding="utf-8")


def requests(api: Sandbox) -> Counter[str]:
    """What was sent since the counters were reset, without ids."""
    return Counter(
        re.sub(r"/(vs|file|vsfb)[-_]\w+", r"/\1_…", f"{each.method} {each.path.removeprefix('/v1').partition('?')[0]}")
        for each in api.requests
    )


def left(api: Sandbox) -> str:
    """The files at the API that no vector store has, and those that it has beside the documents'."""
    state = api._state
    attached = [id for store in state.stores.values() for id in store.files]
    names = Counter(state.files[id].filename for id in attached)
    spare = len(state.files) - len(set(attached))
    return f"{len(names)} documents, {len(attached) - len(names)} of them twice, {spare} files that nothing shows, {len(state.stores)} vector stores"


def seconds_of(who: str, folder: str, api: Sandbox) -> tuple[float, float]:
    """Run the program. Returns the seconds that it takes, and those from its first request on."""
    api.reset_counters()
    begun, process = time.monotonic(), start(who, folder, api)
    while not api.requests:
        time.sleep(0.002)
    requested = time.monotonic()
    finish(process)
    return time.monotonic() - begun, time.monotonic() - requested


@contextmanager
def place() -> Iterator[tuple[str, Sandbox]]:
    """A folder, and an account without anything."""
    with (
        tempfile.TemporaryDirectory() as folder,
        sandbox.run(latency=LATENCY, processing_seconds=0, seeded=False) as api,
    ):
        yield folder, api


def run_three_times(who: str) -> None:
    """Sync a new folder, the same folder again, and the folder with some changed files; print the best of RUNS."""
    taken: list[list[tuple[float, float]]] = [[], [], []]
    sent: list[Counter[str]] = [Counter()] * 3
    for _ in range(RUNS):
        with place() as (folder, api):
            for number, changes in enumerate(CHANGES.values()):
                changes(folder)
                taken[number].append(seconds_of(who, folder, api))
                sent[number] = requests(api)
    for title, times, counts in zip(CHANGES, taken, sent, strict=True):
        whole, requested = (min(each) for each in zip(*times, strict=True))
        print(f"{who}: {title}: {whole:.2f} s, {requested:.2f} s from the first request; {counts.total()} requests")
        print(f"    {dict(counts)}")


def kill_and_run_again(who: str, uploads: int) -> None:
    """Kill the program after some uploads, and run it again; print what each leaves."""
    with place() as (folder, api):
        write(folder, range(DOCUMENTS))
        process = start(who, folder, api)
        while len(api._state.files) < uploads:
            time.sleep(0.002)
        process.kill()
        process.communicate()
        time.sleep(4 * LATENCY)  # the server carries out what it has received
        print(f"{who}: killed after {uploads} uploads: {left(api)}")
        for times in range(1, 3):
            api.reset_counters()
            output = finish(start(who, folder, api))
            print(f"    run {times} after that: {left(api)}; {requests(api)['POST /files']} uploads")
            unknown = [line for line in output.splitlines() if "is not known" in line]
            print("".join(f"    {line}\n" for line in unknown), end="")
            if unknown:
                retry = "INSERT INTO handbook (handbook) VALUES ('retry-unknown')"
                subprocess.run([*COMMANDS[who], retry], cwd=folder, env=environment(api), check=True)


CHANGES: dict[str, Callable[[str], None]] = {
    "first run": lambda folder: write(folder, range(DOCUMENTS)),
    "nothing has changed": lambda folder: None,
    "10 of 100 have changed": lambda folder: write(folder, range(CHANGED), "now says"),
}


def main() -> None:
    """Measure and print."""
    for who in COMMANDS:
        run_three_times(who)
        for uploads in (DOCUMENTS // 2, DOCUMENTS):
            kill_and_run_again(who, uploads)


if __name__ == "__main__":
    main()
