"""Renews the tables of pages from the benchmarks that print them.

    python docs/renew_tables.py [--kept FOLDER] PAGE...

A table stands between ``<!-- renewed: COMMAND | HEADING -->`` and ``<!-- /renewed -->``: the first
one that the command prints below a line with this heading, or at all where none is given. Commands
run in the repository, each once; what they print is kept in FOLDER, and not run again as long as
the commit has the same code and benchmarks.
"""

import argparse
import re
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CODE = ("benchmarks", "flame", "models", "pipelines", "preprocessing")
"""Folders whose change makes earlier output old."""
MARKED = re.compile(
    r"(?P<begin><!-- renewed: (?P<command>[^|>]+?)(?: \| (?P<heading>[^>]+?))? -->\n)"
    r"(?P<table>.*?)(?P<end><!-- /renewed -->)",
    re.DOTALL,
)


def table_in(printed: str, heading: str) -> str:
    """Return the first table below a heading.

    Raises:
        ValueError: there is none.

    Example:
        >>> table_in("B\\n| 1 |\\nA\\n\\n| 2 |\\n| 3 |\\n\\n| 4 |", "A")
        '| 2 |\\n| 3 |\\n'
    """
    lines = printed.splitlines()
    below = [n for n, line in enumerate(lines) if heading in line and not line.startswith("|")]
    if not heading:
        below = [-1]
    rows: list[str] = []
    for line in lines[below[0] + 1 :] if below else []:
        if line.startswith("|"):
            rows.append(line)
        elif rows:
            break
    if not rows:
        raise ValueError(f"no table below '{heading}'")
    return "\n".join(rows) + "\n"


def version() -> str:
    """Name the code and the benchmarks of the commit."""
    command = ["git", "rev-parse", *(f"HEAD:{folder}" for folder in CODE)]
    trees = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return sha256(trees.encode()).hexdigest()[:12]


def printed_by(command: str, kept: Path) -> str:
    """Return what a command prints, which is kept as it was printed once."""
    file = kept / version() / (re.sub(r"\W+", "-", command) + ".txt")
    if not file.exists():
        print(command, flush=True)
        done = subprocess.run(
            [sys.executable, *command.split()], cwd=ROOT, capture_output=True, text=True, check=True
        )
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(done.stdout)
    return file.read_text()


def renewed(page: str, kept: Path) -> str:
    """Return a page with its tables as the commands print them."""

    def new(found: re.Match[str]) -> str:
        table = table_in(printed_by(found["command"], kept), found["heading"] or "")
        return found["begin"] + table + found["end"]

    return MARKED.sub(new, page)


def main() -> None:
    """Renew the pages."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pages", type=Path, nargs="+")
    parser.add_argument("--kept", type=Path, default=ROOT / "runs" / "paper")
    arguments = parser.parse_args()
    for page in arguments.pages:
        page.write_text(renewed(page.read_text(), arguments.kept))


if __name__ == "__main__":
    main()
