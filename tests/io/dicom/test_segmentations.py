"""DICOM SEG written by highdicom on a series that the test writes."""

from pathlib import Path

import highdicom as hd
import numpy as np
import pydicom
import pytest
from highdicom.sr.coding import CodedConcept

from flame.core.errors import UnreadableImage
from flame.core.imaging import LabelMap, Sequence
from flame.io.dicom.geometry import check_geometry
from flame.io.dicom.headers import read_headers
from flame.io.dicom.segmentations import read_segments, write_segments
from flame.io.dicom.series import group_series
from flame.preprocessing.radiotherapy.maps import Target, planned_maps
from flame.preprocessing.radiotherapy.plan import Drawn, Link, RadiotherapyPlan
from tests.helpers.dicom_series import write_mr_series

FRAME = "1.2.3.4"
TUMOUR = CodedConcept("108369006", "SCT", "Neoplasm")


@pytest.fixture
def seg(tmp_path: Path) -> tuple[Path, np.ndarray]:
    """Two overlapping segments, GTV and oedema, on 12 slices of 8 x 6 pixels."""
    paths = write_mr_series(
        tmp_path / "mr",
        FrameOfReferenceUID=FRAME,
        PatientName="a^b",
        PatientBirthDate="",
        PatientSex="O",
        AccessionNumber="",
        StudyTime="",
        StudyID="",
        ReferringPhysicianName="",
    )
    sources = [pydicom.dcmread(p) for p in paths]
    masks = np.zeros((12, 8, 6, 2), np.uint8)
    masks[3:7, 2:5, 1:4, 0] = 1
    masks[4:9, 3:7, 2:5, 1] = 1
    described = [
        hd.seg.SegmentDescription(n, name, TUMOUR, TUMOUR, hd.seg.SegmentAlgorithmTypeValues.MANUAL)
        for n, name in ((1, "GTV"), (2, "oedema"))
    ]
    found = hd.seg.Segmentation(
        sources,
        masks,
        hd.seg.SegmentationTypeValues.BINARY,
        described,
        hd.UID(),
        1,
        hd.UID(),
        1,
        "FLAME",
        "test",
        "1",
        "1",
    )
    found.save_as(tmp_path / "seg.dcm")
    return tmp_path / "seg.dcm", masks


def test_overlapping_segments_are_both_whole_and_in_place(seg: tuple[Path, np.ndarray]) -> None:
    path, masks = seg
    found = read_segments(path, FRAME)
    # The writer numbers its files against the order in space, and masks go by file.
    for n, name in enumerate(("GTV", "oedema")):
        labels = found[name]
        assert labels.volume == pytest.approx(masks[..., n].sum() * 1.25 * 1.5 * 2 / 1000)
        world = (np.argwhere(labels.voxels) @ labels.affine[:3, :3].T) + labels.affine[:3, 3]
        expected = np.argwhere(masks[..., n]) * [2.0, 1.5, 1.25]  # slice, row, column in mm
        assert sorted(map(tuple, np.rint(world * 100).astype(int).tolist())) == sorted(
            (round(-100 * x), round(-100 * y), round(100 * z)) for z, y, x in expected
        )


def test_wrong_frame_of_reference_and_junk_are_refused(
    seg: tuple[Path, np.ndarray], tmp_path: Path
) -> None:
    with pytest.raises(UnreadableImage, match="not that of the images"):
        read_segments(seg[0], "9.9")
    (tmp_path / "junk.dcm").write_bytes(b"junk")
    with pytest.raises(UnreadableImage, match="cannot be read"):
        read_segments(tmp_path / "junk.dcm", FRAME)


def test_written_on_an_anonymised_series_and_not_taken_for_a_contour(tmp_path: Path) -> None:
    write_mr_series(tmp_path / "mr", FrameOfReferenceUID=FRAME)  # without StudyID and the like
    (series,) = group_series(read_headers(tmp_path / "mr")[0])
    grid = check_geometry(series)
    assert not isinstance(grid, str)
    mask = np.zeros(grid.shape, np.uint8)
    mask[1:4, 2:5, 3:7] = 1
    labels = {"forecast photon day 30": LabelMap(mask, grid.affine)}
    write_segments(tmp_path / "seg.dcm", grid, labels, "forecast")
    (found,) = read_segments(tmp_path / "seg.dcm", FRAME).values()
    at, expected = (
        (np.argwhere(m.voxels) @ m.affine[:3, :3].T + m.affine[:3, 3]).round(2).tolist()
        for m in (found, labels["forecast photon day 30"])
    )
    assert sorted(map(tuple, at)) == sorted(map(tuple, expected))
    planned = RadiotherapyPlan((Drawn(tmp_path / "seg.dcm", "SEG", FRAME, Link(Sequence.T1)),))
    brain = LabelMap(np.ones(grid.shape, np.uint8), grid.affine)
    target = Target({}, brain, {Sequence.T1: np.eye(4)}, grid.affine, grid.shape)
    assert not planned_maps(planned, target).regions
