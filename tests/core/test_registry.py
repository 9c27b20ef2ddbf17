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
