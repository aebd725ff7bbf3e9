"""The metadata of the package, and the files that only an index or a forge reads."""

from __future__ import annotations

import re
import runpy
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from openai_vtab import __version__

ROOT = Path(__file__).parent.parent
PYTHON = "Programming Language :: Python :: 3."


@pytest.fixture
def metadata(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What setup.py passes to setuptools."""
    found: dict[str, Any] = {}
    # newer environments have no setuptools
    replaced = SimpleNamespace(setup=lambda **given: found.update(given), find_packages=lambda **_: [])
    monkeypatch.setitem(sys.modules, "setuptools", replaced)
    runpy.run_path(str(ROOT / "setup.py"))
    return found


def test_metadata_has_one_version(metadata: dict[str, Any]) -> None:
    """That of _version.py; the changelog has its day, and the release compares both with the tag."""
    assert metadata["version"] == __version__
    headings = re.findall(r"^## \[(.*?)\](.*)$", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    released = [(version, rest) for version, rest in headings if version != "Unreleased"]
    assert released[0][0] == __version__
    assert all(re.fullmatch(r" - \d{4}-\d\d-\d\d", rest) for _, rest in released)


def test_metadata_description_has_no_relative_link(metadata: dict[str, Any]) -> None:
    """An index's page does not have the repository's other files; the text of their links stays."""
    text = metadata["long_description"]
    code = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
    targets = re.findall(r"\]\(([^)]*)\)", code.sub("", text))
    assert targets
    assert [target for target in targets if not target.startswith(("https://", "#"))] == []
    assert "![" not in code.sub("", text)
    assert "the full guide" in text
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert code.findall(text) == code.findall(readme)


def test_metadata_pythons_are_tested(metadata: dict[str, Any]) -> None:
    """Each classifier's Python is in the workflow, and the first is the lowest that installs."""
    workflow = yaml.safe_load((ROOT / ".github/workflows/tests.yml").read_text(encoding="utf-8"))
    tested = workflow["jobs"]["fast"]["strategy"]["matrix"]["python"]
    named = [text.removeprefix(PYTHON) for text in metadata["classifiers"] if text.startswith(PYTHON)]
    assert named
    assert {f"3.{minor}" for minor in named} <= set(tested)
    assert metadata["python_requires"] == f">=3.{named[0]}"
    assert tested[0] == f"3.{named[0]}"


def test_metadata_extra_all_has_what_the_package_can_use(metadata: dict[str, Any]) -> None:
    """Not what its tests, examples and documentation need."""
    extras = metadata["extras_require"]
    usable = ("sandbox", "shell", "sqlalchemy", "stackql")
    assert sorted(extras["all"]) == sorted(requirement for name in usable for requirement in extras[name])


def test_workflows_pin_actions_by_commit() -> None:
    """A tag can be moved; the version stands beside it for the reader and for dependabot."""
    for path in sorted((ROOT / ".github/workflows").glob("*.yml")):
        for line in re.findall(r"uses: (.*)", path.read_text(encoding="utf-8")):
            assert re.fullmatch(r"\$/\S+|\S+@[0-9a-f]{40} # v[\d.]+", line), f"{path.name}: {line}"
