"""What the pages of the documentation show: blocks of Python, commands, and paths of the repository."""

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("README*.md"), ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")])

_FENCED = re.compile(
    r"(?:<!-- not run:(?P<reason>.*?)-->\n)?```(?P<language>\w*)\n(?P<code>.*?)^```", re.M | re.S
)
_INDENTED = re.compile(r"(?:^ {4,}\S.*\n?)+", re.M)
_SPAN = re.compile(r"`([^`]+)`")
_COMMAND = re.compile(r"(?:^|; do |python -m |-m )resunit (?P<arguments>[^;]*)")
_FILE = re.compile(r"(?:# |<!-- )([\w-]+\.\w+)\b")


@dataclass(frozen=True)
class Block:
    """A fenced block of a page; `reason` says why it cannot be run, if the page says so."""

    language: str
    code: str
    reason: str | None

    @property
    def file(self) -> str | None:
        """Return the file that the block's first line says the block belongs in, such as "my_units.py"."""
        found = _FILE.match(self.code)
        return found[1] if found else None


def blocks(text: str) -> list[Block]:
    """Return the fenced blocks of a page, in order."""
    return [Block(found["language"], found["code"], found["reason"]) for found in _FENCED.finditer(text)]


def python_blocks(text: str) -> list[Block]:
    """Return the fenced blocks of Python of a page, in order."""
    return [block for block in blocks(text) if block.language == "python"]


def commands(text: str) -> list[str]:
    """Return what stands behind `resunit` in each command that a page shows, in code blocks and in lines.

    `fetch|verify` in a table is two commands, and COMMAND stands for any command.
    """
    fenced = [
        found["code"] for found in _FENCED.finditer(text) if found["language"] in ("", "bash", "console")
    ]
    text = _FENCED.sub("", text)
    blocks = [line for block in [*fenced, *_INDENTED.findall(text)] for line in block.splitlines()]
    spans = [span.replace("\\|", "|") for span in _SPAN.findall(_INDENTED.sub("", text))]
    shown = []
    for line in [*blocks, *spans]:
        if found := _COMMAND.search(line.strip().removeprefix("$ ")):
            arguments = re.sub(r"\s#.*", "", found["arguments"]).strip()
            alternatives = re.match(r"(?P<before>.*? )(?P<names>\w+(?:\|\w+)+)", arguments)
            if arguments.startswith("COMMAND"):
                continue
            if alternatives:
                shown += [alternatives["before"] + name for name in alternatives["names"].split("|")]
            else:
                shown.append(arguments)
    return shown
