"""A virtual environment with this package and other people's tools, installed from the package index.

>>> Environment.made_once(folder).require("datasette")      # skips the test if it could not be installed
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import venv
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ("openai_vtab", "setup.py", "pyproject.toml", "MANIFEST.in", "README.md", "LICENSE")
TOOLS = {  # by the name of a test's requirement
    "datasette": "datasette",
    "sqlite-utils": "sqlite-utils",
    "dataset": "dataset",
    "litecli": "litecli",
    "harlequin": "harlequin",
    "django": "django",
    "peewee": "peewee",
    "ibis": "ibis-framework[sqlite]",
    "aiosqlite": "aiosqlite",
    "sqlalchemy": "sqlalchemy[asyncio]",
    "pandas": "pandas",
    "polars": "polars[pyarrow]",
    "marimo": "marimo",
    "sqlmodel": "sqlmodel",
    "fastapi": "fastapi",
    "uvicorn": "uvicorn",
}


@dataclass(frozen=True)
class Environment:
    """An environment: the folder of its commands, and why each missing tool is missing."""

    scripts: Path
    missing: dict[str, str]

    @classmethod
    def made_once(cls, folder: Path) -> Environment:
        """Return the environment in the folder, which is made if it is not there."""
        scripts = folder / ("Scripts" if os.name == "nt" else "bin")
        outcome = folder / "missing.json"
        if not outcome.exists():
            outcome.write_text(json.dumps(_make(folder)))
        return cls(scripts, json.loads(outcome.read_text()))

    def require(self, tool: str) -> None:
        """Skip the test if the tool could not be installed."""
        if tool in self.missing:
            pytest.skip(f"{TOOLS[tool]} cannot be installed here: {self.missing[tool]}")


def _make(folder: Path) -> dict[str, str]:
    """Make the environment, and return which tools could not be installed, with pip's reason."""
    venv.create(folder, with_pip=False)
    source = folder / "source"  # a build leaves files beside setup.py
    source.mkdir()
    for name in PACKAGE:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, source / name)  # type: ignore[operator]
    problem = _install(folder, f"{source}[sandbox]", *TOOLS.values())
    if not problem:
        return {}
    assert _install(folder, f"{source}[sandbox]") == ""
    problems = {name: _install(folder, requirement) for name, requirement in TOOLS.items()}
    return {name: problem for name, problem in problems.items() if problem}


def _install(folder: Path, *requirements: str) -> str:
    """Install with the pip of this environment. Returns its last error, "" if there was none."""
    pip = [sys.executable, "-m", "pip", "--python", str(folder), "install", "--quiet", "--no-compile", "--no-input"]
    result = subprocess.run([*pip, *requirements], capture_output=True, text=True, timeout=1800, check=False)
    errors = [line for line in result.stderr.splitlines() if line.startswith("ERROR")]
    return "" if result.returncode == 0 else (errors or [result.stderr])[-1]
