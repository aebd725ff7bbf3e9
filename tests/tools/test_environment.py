"""The documentation of the tools that are tested here."""

from __future__ import annotations

import re

from .environment import ROOT, TOOLS


def test_docs_have_a_row_for_each_tool() -> None:
    """A tool that is tested is documented, with the line to type."""
    page = (ROOT / "docs/guides/other-tools.md").read_text(encoding="utf-8")
    section = page.partition("## Programs that you do not change")[2].partition("### The launcher")[0]
    rows = re.findall(r"^\| ([^|]+) \| `openai-vtab run [^`]+` \|", section, re.MULTILINE)
    for tool in TOOLS:
        assert any(tool in row.lower() for row in rows), tool
