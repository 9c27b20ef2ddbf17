"""The documentation fits the code: reference, examples, links and navigation."""

import re
import shlex
import tomllib
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import typer

from flame.cli import app
from flame.core.config import build, load_config
from flame.core.config_keys import keys_of
from flame.federation.config import TrainConfig
from flame.federation.flare.provisioning import Project
from flame.federation.privacy.site_policy import SitePolicy
from flame.preprocessing.config import StageConfig
from flame.streams.config import StreamConfig

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PAGES = sorted(p for p in DOCS.rglob("*.md") if p.parent.name != "notes")
TEXTS = [ROOT / "README.md", *PAGES]
KINDS = (TrainConfig, StreamConfig, StageConfig, SitePolicy, Project)
FENCED = re.compile(
    r"(?P<reason><!-- not run: \S.*? -->\s*)?^(?P<indent> *)```(?P<kind>toml|bash|sh)\n"
    r"(?P<text>.*?)^(?P=indent)```$",
    re.DOTALL | re.MULTILINE,
)
COMMANDS: dict[str, Any] = typer.main.get_command(app).commands  # type: ignore[attr-defined]
CONFIGURED: dict[str, Any] = {
    "train": TrainConfig,
    "describe": TrainConfig,
    "submit": TrainConfig,
    "stream": StreamConfig,
}


def blocks(*kinds: str) -> list[Any]:
    """Fenced blocks of some kinds without a reason why they are not run."""
    found = []
    for path in TEXTS:
        text = path.read_text(encoding="utf-8")
        for block in FENCED.finditer(text):
            if block["kind"] in kinds and not block["reason"]:
                line = text[: block.start("text")].count("\n")
                content = re.sub(f"(?m)^{block['indent']}", "", block["text"])
                found.append(pytest.param(content, id=f"{path.relative_to(ROOT)}:{line}"))
    return found


def shell_lines(block: str) -> Iterator[list[str]]:
    """The words of each line of a shell block, continued lines joined, comments left out."""
    for line in block.replace("\\\n", " ").splitlines():
        words = shlex.split(line, comments=True)
        if words:
            yield words


@pytest.mark.parametrize("page", ["commands.md", "configuration.md"])
def test_the_generated_reference_is_current(page: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(DOCS))
    pages = import_module("generate_reference").pages()
    current = (DOCS / "reference" / page).read_text(encoding="utf-8")
    assert current == pages[page], "run python docs/generate_reference.py"


def test_every_block_is_seen_or_of_another_kind() -> None:
    for path in TEXTS:
        text = path.read_text(encoding="utf-8")
        opened = re.findall(r"^ *```(\w*)$", text, re.MULTILINE)[::2]
        assert {*opened} <= {"toml", "bash", "sh", "python", "text"}, path
        examples = sum(kind in ("toml", "bash", "sh") for kind in opened)
        assert examples == len(FENCED.findall(text)), path


@pytest.mark.parametrize("block", blocks("toml"))
def test_toml_is_a_configuration(block: str) -> None:
    values = tomllib.loads(block)
    kind: Any = next((k for k in KINDS if set(values) <= set(keys_of(k))), None)
    assert kind, f"no configuration has the keys {', '.join(values)}"
    build(kind, values, "documentation")


@pytest.mark.parametrize("block", blocks("bash", "sh"))
def test_shell_lines_are_commands_that_parse(block: str) -> None:
    targets = re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    for words in shell_lines(block):
        assert words[0] in ("flame", "make"), f"{words[0]}: say why it is not run"
        if words[0] == "make":
            assert {w for w in words[1:] if "=" not in w} <= set(targets)
        else:
            check_command(words[1:])


def check_command(words: list[str]) -> None:
    """The command, its arguments and options exist, and keys that it sets are valid."""
    name, *rest = words
    assert name in COMMANDS
    for parameter in COMMANDS[name].params:
        info: Any = getattr(parameter, "type_descriptor", None)
        if info and getattr(info.parameter_info, "exists", False):
            info.parameter_info.exists = False  # paths of examples are those of readers
    given = COMMANDS[name].make_context(name, rest).params
    path = ROOT / str(given.get("config"))
    if name in CONFIGURED and path.exists() and not given.get("plugin"):
        load_config(CONFIGURED[name], path, list(given["overrides"] or []))


@pytest.mark.parametrize("path", TEXTS, ids=lambda p: str(p.relative_to(ROOT)))
def test_links_point_to_files(path: Path) -> None:
    text = re.sub(r"(?ms)^ *```.*?^ *```$", "", path.read_text(encoding="utf-8"))
    for link in re.findall(r"\]\(([^)#\s]+)[^)]*\)", text):
        if not re.match(r"[a-z]+:", link):
            assert (path.parent / link).exists(), link


def test_the_navigation_names_every_page_once() -> None:
    nav = (ROOT / "mkdocs.yml").read_text(encoding="utf-8").split("\nnav:\n")[1]
    named = re.findall(r"- (?:[\w -]+: )?(\S+\.md)$", nav, re.MULTILINE)
    assert sorted(named) == sorted(str(p.relative_to(DOCS)) for p in PAGES)
