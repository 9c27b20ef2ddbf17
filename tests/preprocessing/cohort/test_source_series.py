"""From a preprocessed day back to the DICOM series that it was made from."""

from pathlib import Path

import numpy as np
import pytest

from flame.core.cohort import Timepoint
from flame.core.errors import BadInput
from flame.core.imaging import LabelMap, Sequence
from flame.io.bids import SessionFiles, write_session
from flame.io.dicom.intake import inspect_folder
from flame.io.pseudonym import load_key, pseudonym
from flame.preprocessing.cohort.source_series import source_series
from tests.helpers.dicom_series import write_mr_series

MOVE = np.eye(4)
MOVE[:3, 3] = (10.0, -20.0, 5.0)


@pytest.fixture
def hospital(tmp_path: Path) -> Path:
    """A DICOM folder with one T1 series, and a session that was made from it by ``MOVE``."""
    write_mr_series(tmp_path / "dicom")
    (series,) = inspect_folder(tmp_path / "dicom").series
    uid = pseudonym(load_key(tmp_path / "key"), str(series.series.header.SeriesInstanceUID))
    brain = LabelMap(np.ones((2, 2, 2), np.uint8), np.eye(4))
    files = SessionFiles(Timepoint(0, {}, brain), {Sequence.T1: MOVE})
    write_session(tmp_path / "bids", "p", "01", files, {"SourceSeries": [uid]})
    return tmp_path


def test_a_mask_returns_to_the_grid_of_its_series(hospital: Path) -> None:
    source = source_series(hospital / "bids", "p", "01", hospital / "dicom", hospital / "key")
    assert np.allclose(source.move, MOVE, atol=1e-6)
    drawn = np.zeros(source.geometry.shape, np.float32)
    drawn[2:4, 3:5, 4:9] = 0.8
    # A map that lies where the moved series lies has the voxels of the series itself.
    mask = source.mask(drawn, MOVE @ source.geometry.affine)
    assert (mask.voxels == (drawn > 0.5)).all()
    assert np.allclose(mask.affine, source.geometry.affine)


def test_another_folder_or_key_is_refused(hospital: Path) -> None:
    bids, dicom = hospital / "bids", hospital / "dicom"
    with pytest.raises(BadInput, match="no pseudonym key"):
        source_series(bids, "p", "01", dicom, hospital / "nothing")
    load_key(hospital / "other")  # makes another key
    with pytest.raises(BadInput, match="holds no series that sub-p was made from"):
        source_series(bids, "p", "01", dicom, hospital / "other")
