"""Write the pages of docs/tables/ and the README's table of tables from the tables' descriptions.

python docs/write.py
"""

from pathlib import Path

from openai_vtab.schema import docs
from openai_vtab.tables import TABLES

ROOT = Path(__file__).parent.parent
BEGIN, END = "<!-- tables -->\n", "<!-- end -->\n"


def written() -> dict[Path, str]:
    """Return the text of each file that is generated."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    before, _, rest = readme.partition(BEGIN)
    after = rest.partition(END)[2]
    pages = {ROOT / "docs" / "tables" / f"{table.name}.md": docs.page(table) for table in TABLES}
    return {**pages, ROOT / "README.md": before + BEGIN + docs.overview(TABLES) + END + after}


if __name__ == "__main__":
    for path, text in written().items():
        path.write_text(text, encoding="utf-8")
