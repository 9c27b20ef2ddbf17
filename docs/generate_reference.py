"""Write docs/reference/commands.md, configuration.md and faults.md from the code and the tests.

``python docs/generate_reference.py`` writes; with ``--check`` it exits 1 if they are not current.
Texts written by hand are in docs/reference/notes, below a heading for each place.
"""

import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer
from reference_keys import rows
from reference_markdown import Notes, parameters, table
from typer.core import TyperArgument

from flame.cli import app
from flame.core.registry import Registry
from flame.federation import run_strategy  # noqa: F401  (registers the strategies)
from flame.federation.config import TrainConfig
from flame.federation.flare.provisioning import Project
from flame.federation.gossip.method import GOSSIP, METHODS
from flame.federation.privacy.site_policy import SitePolicy
from flame.federation.strategies.strategy import STRATEGIES
from flame.preprocessing.config import StageConfig
from flame.streams.config import StreamConfig
from flame.streams.learners.learner import LEARNERS

FOLDER = Path(__file__).resolve().parent / "reference"
FAULTS = Path(__file__).resolve().parents[1] / "tests" / "federation" / "faults.toml"
FILES: dict[str, type] = {
    "Training runs": TrainConfig,
    "Stream runs": StreamConfig,
    "Preprocessing": StageConfig,
    "Site policy": SitePolicy,
    "Federation project": Project,
}
OPTIONS: dict[str, tuple[str, Registry[Any]]] = {
    "Options of strategies": ("federation.options", STRATEGIES),
    "Options of gossip methods": ("gossip.options", METHODS),
    "Options of stream learners": ("methods.NAME.options", LEARNERS),
}
WRITTEN = "<!-- Written by docs/generate_reference.py: change the code or docs/reference/notes. -->"


def pages() -> dict[str, str]:
    """Return the text of each page by the name of its file."""
    return {
        "commands.md": commands_page(),
        "configuration.md": configuration_page(),
        "faults.md": faults_page(),
    }


def faults_page() -> str:
    """Return the page of faults that are replayed on real processes, with where they were told."""
    lines = []
    for fault in tomllib.loads(FAULTS.read_text(encoding="utf-8"))["fault"]:
        links = ", ".join(
            f"[{told}](https://github.com/{told.replace('#', '/issues/')})"
            for told in fault["trackers"]
        )
        equal = "yes" if fault["equal"] else ""
        name = fault["test"].rpartition("::")[2].rpartition("/")[2]
        cells = [fault["name"], links, fault["rounds_lost"], equal, fault["minutes"], f"`{name}`"]
        lines.append([str(cell) for cell in cells])
    columns = "fault,as told of,rounds lost,bit for bit,minutes of a person,test"
    return f"# Faults\n\n{WRITTEN}\n\n{Notes('faults').take('')}{table(columns, lines)}"


def commands_page() -> str:
    """Return the page of all commands: usage, arguments, options and their defaults."""
    notes = Notes("commands")
    program: Any = typer.main.get_command(app)
    text = f"# Commands\n\n{WRITTEN}\n\n{notes.take('')}{parameters(program)}"
    for name, command in program.commands.items():
        arguments = [str(p.metavar) for p in command.params if isinstance(p, TyperArgument)]
        usage = " ".join(["flame", name, *arguments, "[OPTIONS]"])
        text += f"## `flame {name}`\n\n{command.help}\n\n```text\n{usage}\n```\n\n"
        text += notes.take(name) + parameters(command)
    notes.check()
    return text.rstrip() + "\n"


def configuration_page() -> str:
    """Return the page of all configuration keys, of all options, and of renamed keys."""
    notes = Notes("configuration")
    text = f"# Configuration\n\n{WRITTEN}\n\n{notes.take('')}"
    for title, kind in FILES.items():
        text += f"## {title}\n\n{notes.take(title)}"
        sections: dict[str, list[tuple[str, ...]]] = {}
        for row in rows(kind):
            sections.setdefault(row[0].strip("`").rpartition(".")[0], []).append(row)
        for section, lines in sorted(sections.items(), key=lambda item: item[0] != ""):
            heading = f"{title}: [{section}]"
            text += f"### {heading}\n\n" if section else ""
            text += notes.take(heading) + table("key,type,default,meaning", lines)
    for title, (_, registry) in OPTIONS.items():
        text += f"## {title}\n\n{notes.take(title)}"
        text += table("name,option,type,default,meaning", _options(registry))
    text += f"## Renamed keys\n\n{notes.take('Renamed keys')}" + table("before,now", _renamed())
    notes.check()
    return text.rstrip() + "\n"


def _options(registry: Registry[Any]) -> Iterator[tuple[str, ...]]:
    for name in registry:
        own = [] if name == GOSSIP else list(rows(registry[name]))  # gossip: section [gossip]
        for row in own or [("none", "", "", "")]:
            yield f"`{name}`", *row


def _renamed() -> list[tuple[str, str]]:
    kinds = [("federation", type(TrainConfig.federation)), ("gossip", type(TrainConfig.gossip))]
    kinds += [(prefix, entries[name]) for prefix, entries in OPTIONS.values() for name in entries]
    found = []
    for prefix, kind in kinds:
        now = {row[0].strip("`") for row in rows(kind)}
        renamed = getattr(kind, "RENAMED", {}).items()
        found += [(f"`{prefix}.{old}`", f"`{prefix}.{new}`") for old, new in renamed if new in now]
    for file, kind in (("policy.toml", SitePolicy), ("project.toml", Project)):
        found += [(f"`{old}` in `{file}`", f"`{new}`") for old, new in kind.RENAMED.items()]
    return list(dict.fromkeys(found))


if __name__ == "__main__":
    for name, text in pages().items():
        path = FOLDER / name
        if "--check" in sys.argv and path.read_text(encoding="utf-8") != text:
            sys.exit(f"{path}: not current; run python docs/generate_reference.py")
        path.write_text(text, encoding="utf-8")
