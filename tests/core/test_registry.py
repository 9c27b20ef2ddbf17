import importlib
import sys
from pathlib import Path

import pytest

from flame.core.errors import BadInput
from flame.core.registry import Registry, nearest


def test_unknown_name_lists_choices() -> None:
    registry: Registry[int] = Registry("strategy")
    registry.register("fedavg")(1)
    registry.register("median")(2)
    assert registry["fedavg"] == 1
    assert list(registry) == ["fedavg", "median"]
    with pytest.raises(BadInput, match=r"unknown strategy 'fedavgg': did you mean 'fedavg'\?.*med"):
        registry["fedavgg"]


def test_a_name_is_registered_once() -> None:
    registry: Registry[int] = Registry("strategy")
    registry.register("a")(1)
    with pytest.raises(ValueError, match="twice"):
        registry.register("a")(2)


def test_entries_derive_from_the_base() -> None:
    registry: Registry[type[int]] = Registry("strategy", int)
    registry.register("bool")(bool)
    with pytest.raises(TypeError, match="strategy 'text' does not derive from int"):
        registry.register("text")(str)  # type: ignore[arg-type]


def test_a_hint_names_the_first_of_very_many() -> None:
    hint = nearest("ages", [f"column_{n:03d}" for n in range(60)])
    assert hint.endswith("column_039 and 20 more")
    assert nearest("b", ["a", "b"]) == "did you mean 'b'? Choices: a, b"


def test_an_entry_is_found_by_the_module_of_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Looking up one entry imports its module alone; listing them imports all."""
    package = tmp_path / "shapes_by_name"
    package.mkdir()
    (package / "__init__.py").write_text(
        "from flame.core.registry import Registry\n"
        "SHAPES = Registry('shape', package='shapes_by_name')\n"
    )
    for name in ("square", "long_box"):
        (package / f"{name}.py").write_text(
            f"from shapes_by_name import SHAPES\nSHAPES.register('{name.replace('_', '-')}')(4)\n"
        )
    monkeypatch.syspath_prepend(str(tmp_path))
    shapes = importlib.import_module("shapes_by_name").SHAPES
    assert shapes["long-box"] == 4
    assert "shapes_by_name.square" not in sys.modules
    with pytest.raises(BadInput, match="did you mean 'square'"):
        shapes["squore"]
    assert list(shapes) == ["long-box", "square"]
