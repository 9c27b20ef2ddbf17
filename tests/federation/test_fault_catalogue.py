"""The catalogue of faults: every entry has its sources, and a test that exists."""

import re
import tomllib
from pathlib import Path

HERE = Path(__file__).parent
CATALOGUE = tomllib.loads((HERE / "faults.toml").read_text())["fault"]


def test_every_fault_has_sources_and_a_test_that_exists() -> None:
    assert len(CATALOGUE) >= 25
    assert len({fault["name"] for fault in CATALOGUE}) == len(CATALOGUE)
    for fault in CATALOGUE:
        assert fault["trackers"], fault
        assert all(re.fullmatch(r"[\w-]+/[\w-]+#\d+", t) for t in fault["trackers"]), fault
        path, *names = fault["test"].split("::")
        text = (HERE / "flare" / path).read_text()
        for name in names:
            assert re.search(rf"(def|class) {name}\b", text), fault["test"]
        assert fault["rounds_lost"] <= 1, fault


def test_the_documentation_shows_the_catalogue() -> None:
    page = (HERE.parents[1] / "docs" / "reference" / "faults.md").read_text()
    for fault in CATALOGUE:
        assert f"| {fault['name']} |" in page
