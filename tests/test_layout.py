"""The structure that the documents promise: layers, and a test in the folder of every module."""

import ast
import os
import re
from pathlib import Path

import networkx
import pytest

ROOT = Path(__file__).resolve().parents[1]
LAYERS = (
    ("core",),
    ("physics",),
    ("io",),
    ("preprocessing",),
    ("models",),
    ("simulation", "federation", "planning"),
    ("streams",),
    ("evaluation",),
    ("bundles",),
    ("pipelines",),
    ("api",),
    ("cli",),
)
"""From the bottom up: a module imports from its own layer and those below."""
WINGS = {
    "federation": (
        ("run_files", "trainings", "sections", "gossip"),
        ("config",),
        ("task", "folds"),
        ("tasks", "strategies", "checkpoint", "calls", "history", "compression"),
        ("run_strategy", "privacy", "networks", "update_checks", "early_stopping", "cross_site"),
        ("coordinator", "site", "run_folder"),
        ("engine",),
        ("in_process", "flare"),
        ("engines",),
    ),
    "evaluation": (
        ("metrics",),
        ("pages",),
        ("evaluations",),
        ("images", "outcomes"),
        ("ways",),
    ),
    "streams": (
        ("stream", "changes", "measures", "detectors", "networks"),
        ("sources", "exchange"),
        ("learners",),
        ("methods",),
        ("config", "prequential"),
    ),
    "preprocessing": (
        ("harmonisation", "stages"),
        ("radiotherapy",),
        ("quality", "study", "cohort", "config"),
        ("session",),
        ("studies",),
    ),
    "models": (("clinical", "regression", "segmentation"), ("response", "evolution")),
}
"""Parts of a layer, again from the bottom up; a part not named here imports what it likes."""


def sources() -> dict[str, Path]:
    """File of every module by its dotted name."""
    found = {}
    for folder, _, names in os.walk(ROOT / "flame", followlinks=True):
        for name in names:
            if name.endswith(".py"):
                path = Path(folder, name)
                parts = path.relative_to(ROOT).with_suffix("").parts
                found[".".join(p for p in parts if p != "__init__")] = path
    return found


SOURCES = sources()


def imported(path: Path) -> set[str]:
    """Modules of FLAME that a file imports, wherever in the file."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                names.add(whole if whole in SOURCES else str(node.module))
    return {n for n in names if n in SOURCES}


GRAPH = {name: imported(path) - {name} for name, path in SOURCES.items()}


def place(name: str, layers: tuple[tuple[str, ...], ...], depth: int) -> int | None:
    parts = name.split(".")
    if len(parts) <= depth:
        return None
    return next((i for i, names in enumerate(layers) if parts[depth] in names), None)


def test_layers_import_downward_only() -> None:
    wrong = []
    for name, others in GRAPH.items():
        here = place(name, LAYERS, 1)
        for other in others:
            there = place(other, LAYERS, 1)
            if here is None or there is None:
                continue
            same = name.split(".")[1] == other.split(".")[1]
            if there > here or (there == here and not same):
                wrong.append(f"{name} -> {other}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("layer", WINGS)
def test_wings_import_downward_only(layer: str) -> None:
    wrong = []
    for name, others in GRAPH.items():
        for other in others:
            if name.split(".")[1:2] == other.split(".")[1:2] == [layer]:
                here, there = (place(n, WINGS[layer], 2) for n in (name, other))
                if here is not None and there is not None and there > here:
                    wrong.append(f"{name} -> {other}")
    assert not wrong, "\n".join(wrong)


def test_no_circles() -> None:
    """Neither lazy imports nor those of type checkers close one.

    A package that imports its members to register them is no part of one, as nothing imports the
    package itself.
    """
    graph = networkx.DiGraph([(a, b) for a, others in GRAPH.items() for b in others])
    circles = [sorted(c) for c in networkx.strongly_connected_components(graph) if len(c) > 1]
    assert not circles, circles


@pytest.mark.parametrize(
    ("layer", "unknown"), [("models", "preprocessing"), ("simulation", "models")]
)
def test_a_layer_knows_nothing_of_another(layer: str, unknown: str) -> None:
    """Models do not read images, and a world that a model is tested in is not made of it."""
    wrong = [
        f"{name} -> {other}"
        for name, others in GRAPH.items()
        for other in others
        if name.startswith(f"flame.{layer}") and other.startswith(f"flame.{unknown}")
    ]
    assert not wrong, wrong


def test_no_module_asks_which_task_runs() -> None:
    """A task says everything about itself."""
    asked = re.compile(r"\.task (==|!=|in|not in)\b|\.learner (==|!=|in)\b")
    wrong = [
        name
        for name, path in SOURCES.items()
        if not name.startswith("flame.federation.tasks") and asked.search(path.read_text())
    ]
    assert not wrong, wrong


def test_only_the_adapter_imports_the_engine() -> None:
    wrong = [
        name
        for name, path in SOURCES.items()
        if "nvflare" in path.read_text() and path.parent.name != "flare"
    ]
    assert not wrong, wrong


FOUND_BY_NAME = {"flame.federation.tasks"}
"""Packages whose modules a registry imports by name; a conformance test goes through all."""


def package_of(name: str) -> str:
    return name if SOURCES[name].name == "__init__.py" else name.rpartition(".")[0]


def does_something(path: Path) -> bool:
    """Whether a function of the module has more than a docstring."""
    functions = (n for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.FunctionDef))
    return any(not isinstance(f.body[-1], ast.Expr) or len(f.body) > 1 for f in functions)


def reached(package: str) -> set[str]:
    """Modules that the tests of a package's folder import, or that those import within it."""
    folder = ROOT.joinpath("tests", *package.split(".")[1:])
    pending = {name for path in folder.glob("*.py") for name in imported(path)}
    if pending:
        pending.add(package)  # a package registers its members
    if package in FOUND_BY_NAME:
        pending |= {name for name in SOURCES if package_of(name) == package}
    seen = set[str]()
    while pending:
        name = pending.pop()
        seen.add(name)
        if package_of(name) == package:
            pending |= {n for n in GRAPH[name] if package_of(n) == package} - seen
    return seen


def test_every_module_is_imported_by_a_test_of_its_own_folder() -> None:
    missing = []
    for package in {package_of(name) for name in SOURCES}:
        members = {n for n in SOURCES if package_of(n) == package and does_something(SOURCES[n])}
        missing += sorted(members - reached(package) - {package, f"{package}.__main__"})
    assert not missing, missing
