"""Groups are dealt once, mixed in their outcome, and never change their members."""

import json
from pathlib import Path

import numpy as np
import pytest

from flame.core.errors import Refusal
from flame.federation.privacy.disclosure_groups import DisclosureGroups
from flame.models.response.inputs import Inputs


def inputs(names: str, responses: list[float] | None = None) -> Inputs:
    n = len(names)
    column = np.zeros((n, 0), np.float32)
    response = np.array(responses or [k % 2 for k in range(n)], np.float32)
    return Inputs("a", tuple(names), column, column, column, response, np.ones(n), np.ones(n))


def groups(path: Path, least: int, patients: Inputs) -> list[set[str]]:
    taken = DisclosureGroups(path, least, b"key").dealt(patients).patients
    found: dict[str, set[str]] = {}
    for name, group in zip(taken.pseudonyms, taken.persons, strict=True):
        found.setdefault(group, set()).add(name)
    return sorted(found.values(), key=sorted)


def test_groups_are_mixed_and_large_enough(tmp_path: Path) -> None:
    """Twelve patients, half of whom respond: three groups of four with two responders each."""
    names = "abcdefghijkl"
    found = groups(tmp_path / "g.json", 4, inputs(names))
    assert [len(g) for g in found] == [4, 4, 4]
    assert all(sum(names.index(n) % 2 for n in g) == 2 for g in found)


def test_groups_stay_and_new_ones_are_added(tmp_path: Path) -> None:
    path = tmp_path / "g.json"
    first = groups(path, 3, inputs("abcdefg"))
    dealt = DisclosureGroups(path, 3, b"key").dealt(inputs("abcdefghi"))
    assert (dealt.waiting, len(dealt.patients.pseudonyms)) == (2, 7)
    later = groups(path, 3, inputs("abcdefghij"))
    assert [g for g in later if g in first] == first
    assert {*"hij"} in later
    assert oct(path.stat().st_mode & 0o777) == "0o600"
    assert "a" not in json.loads(path.read_text())["groups"][0]  # codes, no names


def test_a_group_that_lost_a_member_takes_no_part(tmp_path: Path) -> None:
    path = tmp_path / "g.json"
    first = groups(path, 3, inputs("abcdef"))
    (gone,) = [g for g in first if "a" in g]
    dealt = DisclosureGroups(path, 3, b"key").dealt(inputs("bcdef"))
    assert set(dealt.patients.pseudonyms) == set("bcdef") - gone
    assert dealt.incomplete == len(gone) - 1


def test_unknown_outcomes_take_no_part(tmp_path: Path) -> None:
    responses = [0, 1, 0, np.nan, 1, 0, 1]
    (found, other) = groups(tmp_path / "g.json", 3, inputs("abcdefg", responses))
    assert found | other == set("abcefg")


def test_a_raised_limit_joins_groups(tmp_path: Path) -> None:
    path = tmp_path / "g.json"
    first = groups(path, 3, inputs("abcdefghi"))
    joined = groups(path, 5, inputs("abcdefghi"))
    assert len(joined) == 1
    assert joined[0] == set().union(*first)


def test_a_run_with_a_larger_limit_joins_groups_for_itself_alone(tmp_path: Path) -> None:
    path = tmp_path / "g.json"
    first = groups(path, 3, inputs("abcdefghi"))
    dealt = DisclosureGroups(path, 3, b"key").dealt(inputs("abcdefghi"), least=5)
    assert set(dealt.patients.persons) == {"group 0"}
    assert groups(path, 3, inputs("abcdefghi")) == first


def test_other_names_of_patients_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "g.json"
    DisclosureGroups(path, 3, b"key", {"data.id_column": "id"}).dealt(inputs("abcdef"))
    DisclosureGroups(path, 3, b"key", {"data.horizon_days": 300.0}).dealt(inputs("abcdef"))
    DisclosureGroups(path, 3, b"key", {"data.id_column": "id"}).dealt(inputs("abcdef"))
    for key, value in (("data.id_column", "age"), ("data.horizon_days", 330.0)):
        with pytest.raises(Refusal, match=f"was asked with {key} = .* before"):
            DisclosureGroups(path, 3, b"key", {key: value}).dealt(inputs("abcdef"))


def test_fewer_patients_than_a_group_are_refused(tmp_path: Path) -> None:
    with pytest.raises(Refusal, match="fewer than 5 patients that can take part"):
        DisclosureGroups(tmp_path / "g.json", 5, b"key").dealt(inputs("abcd"))
