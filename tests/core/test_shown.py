"""Text from outside cannot command a terminal or forge a line."""

from flame.core.shown import shown


def test_control_characters_become_escapes() -> None:
    assert shown("T1\x1b[2Jgone") == "T1\\x1b[2Jgone"
    assert shown("round 1\n2026-01-01 weights") == "round 1\\n2026-01-01 weights"
    assert shown("a\u202eb\x00") == "a\\u202eb\\x00"


def test_letters_of_all_scripts_stay() -> None:
    assert shown("injecté Größe 核磁") == "injecté Größe 核磁"
