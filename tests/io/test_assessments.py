"""Tables of flame assess as later steps read them."""

from pathlib import Path

import pytest

from flame.core.errors import BadInput
from flame.io.assessments import PROGRESSIONS, read_progressions


def test_progressions_by_subject(tmp_path: Path) -> None:
    rows = ["sub-a\t210\t1", "sub-b\t90.5\t0"]
    header = "participant_id\tprogression_free_days\tprogressed"
    (tmp_path / PROGRESSIONS).write_text("\n".join([header, *rows]))
    progressions = read_progressions(tmp_path)
    assert sorted(progressions.values()) == [(90.5, False), (210.0, True)]


def test_a_centre_without_the_table_is_told_the_command(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="run flame assess"):
        read_progressions(tmp_path)


def test_a_cell_that_is_no_number_names_its_column(tmp_path: Path) -> None:
    text = "participant_id\tprogression_free_days\tprogressed\nsub-a\tsoon\t1\n"
    (tmp_path / PROGRESSIONS).write_text(text)
    with pytest.raises(BadInput, match="progression_free_days"):
        read_progressions(tmp_path)
