"""Among series of one sequence, that of the whole head wins before thinner slices."""

from pathlib import Path

import pytest

from flame.io.dicom.intake import inspect_folder
from tests.helpers.dicom_series import write_mr_series

# 8 rows and 6 columns of 20 mm cover 160 by 120 mm.
HEAD = {"PixelSpacing": [20.0, 20.0], "step": 6.0, "slices": 24}


@pytest.mark.parametrize(
    "other",
    [
        {"slices": 12},  # an aborted repeat, later
        {"step": 1.0, "slices": 40, "SeriesDescription": "t1 orbit"},
        {"step": 1.0, "slices": 150, "BodyPartExamined": "ORBIT"},
        {"step": 1.0, "slices": 20},  # a slab
        {"ImageType": ["DERIVED", "SECONDARY", "MPR"]},
    ],
)
def test_the_whole_head_is_preferred(tmp_path: Path, other: dict[str, object]) -> None:
    write_mr_series(tmp_path / "a", series="1", SeriesNumber=1, **HEAD)
    write_mr_series(tmp_path / "b", series="2", SeriesNumber=9, **{**HEAD, **other})
    (study,) = inspect_folder(tmp_path).studies().values()
    ((_, report),) = study.items()
    assert report.series.header.SeriesNumber == 1


def test_among_heads_thin_slices_win(tmp_path: Path) -> None:
    write_mr_series(tmp_path / "a", series="1", SeriesNumber=1, **HEAD)
    thin = {**HEAD, "step": 1.0, "slices": 130, "PixelSpacing": [16.0, 20.0]}
    write_mr_series(tmp_path / "b", series="2", SeriesNumber=2, **thin)
    (study,) = inspect_folder(tmp_path).studies().values()
    ((_, report),) = study.items()
    assert report.series.header.SeriesNumber == 2


def test_a_spine_is_no_head(tmp_path: Path) -> None:
    write_mr_series(tmp_path, BodyPartExamined="CSPINE")
    (report,) = inspect_folder(tmp_path).series
    assert report.refused.startswith("BodyPartExamined (0018,0015) is CSPINE")
