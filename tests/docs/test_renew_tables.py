"""Tables of pages are those that a command prints, and a command runs once."""

import importlib.util
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = ("docs/explanation/evidence-gossip.md", "docs/benchmarks/detectors.md")
SPEC = importlib.util.spec_from_file_location("renew_tables", ROOT / "docs" / "renew_tables.py")
assert SPEC is not None
assert SPEC.loader is not None
renew_tables = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(renew_tables)

PRINTS = (
    "from pathlib import Path\nPath('ran').open('a').write('x')\nprint('ring\\n\\n| a |\\n| 1 |')"
)


def test_a_table_is_replaced_by_what_its_command_prints_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(renew_tables, "ROOT", tmp_path)
    monkeypatch.setattr(renew_tables, "version", lambda: "one")
    (tmp_path / "made.py").write_text(PRINTS)
    page = "before\n<!-- renewed: made.py | ring -->\n| a |\n| 0 |\n<!-- /renewed -->\nafter"
    expected = page.replace("| 0 |", "| 1 |")
    assert renew_tables.renewed(page, tmp_path / "kept") == expected
    assert renew_tables.renewed(page, tmp_path / "kept") == expected
    assert (tmp_path / "ran").read_text() == "x"
    monkeypatch.setattr(renew_tables, "version", lambda: "two")
    assert renew_tables.renewed(page, tmp_path / "kept") == expected
    assert (tmp_path / "ran").read_text() == "xx"
    with pytest.raises(ValueError, match="no table below 'line'"):
        renew_tables.renewed(page.replace("ring", "line"), tmp_path / "kept")


@pytest.mark.parametrize("page", PAGES)
def test_pages_have_tables_of_commands_that_there_are(page: str) -> None:
    marked = list(renew_tables.MARKED.finditer((ROOT / page).read_text()))
    assert marked
    for found in marked:
        assert (ROOT / found["command"].split()[0]).exists()
        assert found["table"].startswith("|")
