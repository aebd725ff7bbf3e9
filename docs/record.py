"""Record the README's first job in the shell, on a real terminal, and draw it: docs/shell.svg.

python docs/record.py              # write the picture
python docs/record.py --check      # exit with 1 if the picture is not what the shell shows today
"""

from __future__ import annotations

import fcntl
import io
import os
import pty
import re
import select
import struct
import subprocess
import sys
import tempfile
import termios
import time
from itertools import groupby
from pathlib import Path

import pyte
from rich.console import Console
from rich.style import Style
from rich.text import Text

ROOT = Path(__file__).parent.parent
PICTURE = ROOT / "docs" / "shell.svg"
COLUMNS, LINES = 94, 60
PATIENCE = 60  # seconds until a prompt must have come
PROMPTS = ("sqlite> ", "    ..> ")
ID = re.compile(r"\b(vs_|vsfb_|file-)([0-9a-f]{20,32})\b")
DOCUMENTS = {
    "returns.md": "Goods can be returned within 30 days. The refund policy covers postage.",
    "shipping.md": "When do orders leave? Within one working day.",
    "warranty.md": "It lasts two years.",
}
# rich's own template loads a font from another host; this one asks for nothing.
TEMPLATE = """\
<svg class="rich-terminal" viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg">
<style>
.{unique_id}-matrix {{
  font-family: Menlo, Consolas, "DejaVu Sans Mono", monospace; font-size: {char_height}px; line-height: {line_height}px;
}}
.{unique_id}-title {{ font-size: 18px; font-weight: bold; font-family: sans-serif; }}
{styles}
</style>
<defs>
<clipPath id="{unique_id}-clip-terminal">
<rect x="0" y="0" width="{terminal_width}" height="{terminal_height}" />
</clipPath>
{lines}
</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g>
</g>
</svg>
"""


class Recording:
    """A shell on a pseudo-terminal, and the screen that its output draws."""

    def __init__(self, folder: Path) -> None:
        self.screen = pyte.Screen(COLUMNS, LINES)
        self._stream = pyte.ByteStream(self.screen)
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, COLUMNS, 0, 0))
        environment = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "PYTHONWARNINGS")}
        self._shell = subprocess.Popen(
            [sys.executable, "-m", "openai_vtab", "--sandbox", "my.db"],
            cwd=folder,
            env={**environment, "TERM": "xterm-256color", "HOME": str(folder)},
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
        )
        os.close(slave)
        self._until_prompt()

    def type(self, line: str) -> None:
        """Type a line, and wait for the next prompt."""
        os.write(self._master, line.encode() + b"\r")
        self._until_prompt()

    def close(self) -> None:
        """End the shell."""
        self._shell.terminate()
        self._shell.wait()
        os.close(self._master)

    def _until_prompt(self) -> None:
        """Feed the screen until the shell has been silent for a moment, at a prompt."""
        deadline = time.monotonic() + PATIENCE
        while True:
            if select.select([self._master], [], [], 0.3)[0]:
                self._stream.feed(os.read(self._master, 65536))
            elif self.screen.display[self.screen.cursor.y].rstrip() in [prompt.rstrip() for prompt in PROMPTS]:
                return
            if time.monotonic() > deadline:
                raise TimeoutError("\n".join(self.screen.display))


def same_digits(id: re.Match[str]) -> str:
    """An id of the same length, the same in every recording."""
    return id[1] + ("0123456789abcdef" * 2)[: len(id[2])]


def style(cell: pyte.screens.Char) -> Style:
    """A cell's colour and weight in rich's words."""
    colour = f"#{cell.fg}" if re.fullmatch("[0-9a-f]{6}", cell.fg) else cell.fg.replace("brown", "yellow")
    return Style(color=None if colour == "default" else colour, bold=cell.bold)


def styled(screen: pyte.Screen) -> list[Text]:
    """The screen's lines with their colours, from the first prompt to the line above the last."""
    lines = []
    first = next(y for y, text in enumerate(screen.display) if text.startswith(PROMPTS[0]))
    for y in range(first, screen.cursor.y):
        cells = [screen.buffer[y][x] for x in range(COLUMNS)]
        runs = [("".join(cell.data for cell in same), look) for look, same in groupby(cells, style)]
        lines.append(Text.assemble(*((ID.sub(same_digits, text), look) for text, look in runs)))
        lines[-1].rstrip()
    return lines


def record() -> str:
    """Type the README's first SQL block into a shell, and return the picture of its screen."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    statements = re.findall(r"^```sql\n(.*?)^```$", readme, re.MULTILINE | re.DOTALL)[0]
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        (folder / "docs").mkdir()
        for name, text in DOCUMENTS.items():
            (folder / "docs" / name).write_text(text, encoding="utf-8")
        recording = Recording(folder)
        try:
            for line in re.sub(" *--.*", "", statements).splitlines():
                if line:
                    recording.type(line)
        finally:
            recording.close()
    console = Console(record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True, color_system="truecolor")
    for text in styled(recording.screen):
        console.print(text, soft_wrap=True)
    return console.export_svg(title="openai-vtab my.db", code_format=TEMPLATE, unique_id="shell")


if __name__ == "__main__":
    picture = record()
    if "--check" in sys.argv:
        sys.exit(
            0 if PICTURE.read_text(encoding="utf-8") == picture else f"{PICTURE} is out of date: python docs/record.py"
        )
    PICTURE.write_text(picture, encoding="utf-8")
