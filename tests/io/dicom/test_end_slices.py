"""A series that ends short of another one planned on the same slices gets a note."""

from pathlib import Path

import numpy as np
import pytest

from flame.io.dicom.intake import inspect_folder
from tests.helpers.dicom_series import write_mr_series

T2 = {
    "SeriesDescription": "t2",
    "ScanningSequence": "SE",
    "RepetitionTime": 4000.0,
    "EchoTime": 90.0,
    "InversionTime": None,
}


def notes(folder: Path, kept: slice, step: float = 2.0, shift: float = 0.0) -> list[str]:
    heights = (np.arange(20) * step + shift)[kept]
    write_mr_series(folder / "t1", slices=20, series="1")
    write_mr_series(
        folder / "t2", series="2", positions=np.outer(heights, [0, 0, 1.0]), step=step, **T2
    )
    report = inspect_folder(folder)
    assert [s.taken for s in report.series] == [True, True]
    return [s.note for s in report.series]


@pytest.mark.parametrize(
    ("kept", "missing"), [(slice(2, None), 2), (slice(None, -1), 1), (slice(None, -3), 3)]
)
def test_missing_end_slices_are_noted(tmp_path: Path, kept: slice, missing: int) -> None:
    whole, short = notes(tmp_path, kept)
    assert not whole
    assert short.startswith(f"T2 has {missing} end slices fewer than another series")


@pytest.mark.parametrize(
    ("kept", "step", "shift"),
    [
        (slice(None), 2.0, 0.0),  # the same slices
        (slice(1, -1), 2.0, 0.0),  # a smaller coverage, planned on the middle
        (slice(None, -6), 2.0, 0.0),  # another coverage
        (slice(None, -1), 2.0, 0.7),  # other positions
        (slice(None, -7), 3.0, 0.0),  # other slices
    ],
)
def test_another_plan_is_no_gap(tmp_path: Path, kept: slice, step: float, shift: float) -> None:
    assert notes(tmp_path, kept, step, shift) == ["", ""]
