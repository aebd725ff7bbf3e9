"""A process that executes SQL once and says by how much it grew at most: `measure.py` starts it.

It must import nothing but the package: what another module has imported already would not count. It reads
/proc/self, which Linux has; `ru_maxrss` would not do, because a process inherits in it what its parent had.

    echo '{"base_url": …, "api_key": …, "upload_root": null, "tables": …, "sql": …}' | python -m tests.benchmarks.memory
    {"rows": 50000, "growth": 31457280}
"""

from __future__ import annotations

import gc
import json
import re
import sys
from pathlib import Path

import openai_vtab

PROCESS = Path("/proc/self")
RESET_PEAK = "5"  # https://docs.kernel.org/filesystems/proc.html, clear_refs


def main() -> None:
    """Read all rows, one by one, keeping none."""
    asked = json.load(sys.stdin)
    db = openai_vtab.connect(
        base_url=asked["base_url"],
        api_key=asked["api_key"],
        upload_root=asked["upload_root"],
        max_concurrency=32,
        uploads_per_minute=0,
        max_rows=2_000_000,
    )
    db.execute(asked["tables"])
    gc.collect()
    (PROCESS / "clear_refs").write_text(RESET_PEAK)
    before = memory("VmRSS")
    rows = sum(1 for _ in db.execute(asked["sql"]))
    json.dump({"rows": rows, "growth": memory("VmHWM") - before}, sys.stdout)
    db.close()


def memory(name: str) -> int:
    """Bytes: VmRSS is what is in memory now, VmHWM the most that was since the last reset."""
    found = re.search(rf"^{name}:\s*(\d+) kB$", (PROCESS / "status").read_text(), re.MULTILINE)
    assert found, f"/proc/self/status has no {name}"
    return int(found[1]) * 1024


if __name__ == "__main__":
    main()
