"""Write the pages of docs/tables/ and the README's tables of tables and settings from their descriptions.

python docs/write.py
"""

from pathlib import Path

from openai_vtab.connection import DESCRIBED
from openai_vtab.schema import docs
from openai_vtab.settings import Settings, table

ROOT = Path(__file__).parent.parent
END = "<!-- end -->\n"


def written() -> dict[Path, str]:
    """Return the text of each file that is generated."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    readme = _replaced(readme, "<!-- tables -->\n", docs.overview(DESCRIBED))
    readme = _replaced(readme, "<!-- settings -->\n", table(Settings))
    pages = {ROOT / "docs" / "tables" / f"{table.name}.md": docs.page(table) for table in DESCRIBED}
    return {**pages, ROOT / "README.md": readme}


def _replaced(page: str, begin: str, text: str) -> str:
    """Return the page with the text between the mark `begin` and the next end."""
    before, _, rest = page.partition(begin)
    return before + begin + text + END + rest.partition(END)[2]


if __name__ == "__main__":
    for path, text in written().items():
        path.write_text(text, encoding="utf-8")
