"""Reading the intents that a process has left behind.

>>> [intent.outcome for intent in read_intents(path, "/data/my.db").intents]
[<Outcome.CREATED: 'created'>, <Outcome.UNKNOWN: 'unknown'>]
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from .intent_file import FORMAT, Line, boot_id, read_lines
from .intents import Intent, IntentLog, Outcome

# What a line says of the intent that it names. A request that had begun when its process ended may have arrived.
OUTCOMES = {
    "begun": Outcome.UNKNOWN,
    "created": Outcome.CREATED,
    "refused": Outcome.REFUSED,
    "unknown": Outcome.UNKNOWN,
}


def read_intents(path: Path, file: str) -> IntentLog:
    """Return the intents in a file whose writer is gone, as a log that is not open for writing.

    Raises OSError, and ValueError when the file has a format that this version does not know.
    """
    fields: dict[str, dict[str, Any]] = {}
    planned = Outcome.UNKNOWN  # after a power cut, later lines may be missing
    at = int(path.stat().st_mtime)
    for line in read_lines(path):
        if "format" in line:
            if line["format"] != FORMAT:
                raise ValueError(f"{path.name} has format {line['format']!r}; a newer version of openai_vtab wrote it")
            same_boot = line.get("boot") is not None and line["boot"] == boot_id()
            planned = Outcome.PLANNED if same_boot else Outcome.UNKNOWN
        elif isinstance(line.get("intent"), str):
            fields[line["intent"]] = {**_planned(line), "outcome": planned, "at": at}
        else:
            for name, outcome in OUTCOMES.items():
                if (known := fields.get(str(line.get(name)))) is not None:
                    known.update(_later(name, line, outcome))
    log = IntentLog(file, path)
    log.intents.extend(Intent(id, intent_log=log, **known) for id, known in fields.items())
    return log


def _planned(line: Line) -> dict[str, Any]:
    """Return what the line of an intent says; the file may have been edited by hand."""
    keys, sent, ledgers = line.get("keys"), line.get("sent"), line.get("ledgers")
    return {
        "ledgers": [str(name) for name in ledgers] if isinstance(ledgers, list) else [],
        "keys": {str(name): str(value) for name, value in keys.items()} if isinstance(keys, dict) else {},
        "sent": sent if isinstance(sent, dict) else {},
    }


def _later(name: str, line: Line, outcome: Outcome) -> dict[str, Any]:
    """Return what a later line has changed."""
    if name == "begun" and isinstance(line.get("at"), int):
        return {"outcome": outcome, "at": line["at"]}
    if name == "created":
        answer = line.get("answer")
        return {"outcome": outcome, "answer": answer} if isinstance(answer, dict) else {"outcome": Outcome.UNKNOWN}
    return {"outcome": outcome}
