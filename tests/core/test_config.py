from dataclasses import dataclass, field
from pathlib import Path

import pytest

from flame.core.config import Section, as_toml, build, load_config
from flame.core.errors import BadInput


@dataclass(frozen=True)
class Inner:
    rate: float = 0.1
    names: tuple[str, ...] = ()


@dataclass(frozen=True)
class Outer:
    rounds: int
    inner: Inner = Inner()
    horizon: float | None = None
    extra: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.rounds < 1:
            raise BadInput("rounds: 1 or more")


def load(tmp_path: Path, text: str, *overrides: str) -> Outer:
    path = tmp_path / "c.toml"
    path.write_text(text)
    return load_config(Outer, path, list(overrides))


def test_values_defaults_and_overrides(tmp_path: Path) -> None:
    config = load(
        tmp_path, "rounds = 3\n[inner]\nrate = 1\n", "inner.names=['a', 'b']", "horizon=365"
    )
    assert config == Outer(3, Inner(1.0, ("a", "b")), 365.0)


def test_override_without_quotes_is_text(tmp_path: Path) -> None:
    assert build(Inner, {"names": ["x"]}, "here").names == ("x",)
    with pytest.raises(BadInput, match="'rounds' must be a whole number, not 'many'"):
        load(tmp_path, "rounds = 1", "rounds=many")


def test_unknown_key_names_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"unknown key 'inner.rat': did you mean 'rate'"):
        load(tmp_path, "rounds = 1\n[inner]\nrat = 2\n")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "'rounds' is required"),
        ("rounds = true", "must be a whole number"),
        ("rounds = ", "not valid TOML"),
        ("rounds = 1\ninner = 3", "'inner' must be a table"),
        ("rounds = 1\n[inner]\nrate = nan", "'inner.rate' must be a finite number, not nan"),
        ("rounds = 1\nhorizon = inf", "'horizon' must be a finite number, not inf"),
        ("rounds = 0", "c.toml: rounds: 1 or more"),
    ],
)
def test_bad_files_say_what_is_wrong(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        load(tmp_path, text)


def test_missing_file_is_bad_input(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no configuration file"):
        load_config(Outer, tmp_path / "none.toml", [])


def test_written_config_reads_back_the_same(tmp_path: Path) -> None:
    config = Outer(7, Inner(0.5, ("ä", "b")), None, {"x": 1.5})
    path = tmp_path / "c.toml"
    path.write_text(as_toml(config))
    assert load_config(Outer, path, []) == config


def test_parts_of_a_key_in_quotes_may_hold_spaces_and_dots(tmp_path: Path) -> None:
    config = load(tmp_path, "rounds = 1", "extra.'a b.c'=2")
    assert config.extra == {"a b.c": 2}
    with pytest.raises(BadInput, match="--set inner..rate=2: 'inner..rate' is not a key"):
        load(tmp_path, "rounds = 1", "inner..rate=2")


def test_a_byte_order_mark_is_skipped(tmp_path: Path) -> None:
    assert load(tmp_path, "\ufeffrounds = 2").rounds == 2


@pytest.mark.parametrize(
    ("text", "message"),
    [("rounds = " + "1" * 5000, "not valid TOML"), ("a = " + "[" * 5000, "nests too deeply")],
)
def test_absurd_files_are_bad_input(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        load(tmp_path, text)


@dataclass(frozen=True)
class Renamed(Section):
    RENAMED = {"speed": "rate", "strength": "lambda_"}
    rate: float = 0.1


def test_a_new_name_is_given_where_the_section_has_it() -> None:
    with pytest.raises(BadInput, match="'speed' is now called 'rate'"):
        build(Renamed, {"speed": 1.0}, "here")
    with pytest.raises(BadInput, match="unknown key 'strength'"):
        build(Renamed, {"strength": 1.0}, "here")
