"""Regions whose volumes are known: cylinders, rings and cubes, straight and oblique."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence as Items
from pydicom.uid import ExplicitVRLittleEndian, RTStructureSetStorage
from scipy.spatial.transform import Rotation

from flame.core.errors import UnreadableImage
from flame.core.imaging import LabelMap
from flame.io.dicom.structures import read_region, regions

FRAME = "1.2.3.4"


def circle(radius: float, z: float, points: int = 200) -> np.ndarray:
    angle = np.linspace(0, 2 * np.pi, points, endpoint=False)
    return np.column_stack(
        [radius * np.cos(angle) + 12, radius * np.sin(angle) - 7, np.full(points, z)]
    )


def write(path: Path, contours: list[np.ndarray], kind: str = "CLOSED_PLANAR") -> Path:
    d = Dataset()
    d.SOPClassUID, d.SOPInstanceUID, d.Modality = RTStructureSetStorage, "1.2.3.9", "RTSTRUCT"
    region = Dataset()
    region.ROINumber, region.ROIName, region.ReferencedFrameOfReferenceUID = 3, "GTV 1", FRAME
    d.StructureSetROISequence = Items([region])
    items = []
    for points in contours:
        item = Dataset()
        item.ContourGeometricType, item.NumberOfContourPoints = kind, len(points)
        item.ContourData = [f"{v:.4f}" for v in points.ravel()]
        items.append(item)
    drawn = Dataset()
    drawn.ReferencedROINumber, drawn.ContourSequence = 3, Items(items)
    d.ROIContourSequence = Items([drawn])
    d.file_meta = FileMetaDataset()
    d.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    d.file_meta.MediaStorageSOPClassUID = RTStructureSetStorage
    d.file_meta.MediaStorageSOPInstanceUID = "1.2.3.9"
    pydicom.dcmwrite(path, d, enforce_file_format=True)
    return path


def centre(labels: LabelMap) -> np.ndarray:
    index = np.argwhere(labels.voxels).mean(axis=0)
    return (labels.affine @ [*index, 1])[:3]


STACK = [3.0 * n for n in range(10)]


def test_cylinder_has_its_volume_and_place(tmp_path: Path) -> None:
    found = read_region(write(tmp_path / "s.dcm", [circle(15, z) for z in STACK]), 3, FRAME)
    assert found.volume == pytest.approx(np.pi * 15**2 * 30 / 1000, rel=0.01)
    assert centre(found) == pytest.approx([-12, 7, 13.5], abs=0.3)  # LPS to RAS


def test_a_contour_inside_another_is_a_hole(tmp_path: Path) -> None:
    contours = [c for z in STACK for c in (circle(15, z), circle(8, z))]
    found = read_region(write(tmp_path / "s.dcm", contours), 3, FRAME)
    assert found.volume == pytest.approx(np.pi * (15**2 - 8**2) * 30 / 1000, rel=0.01)


def test_two_parts_in_one_plane_are_both_filled(tmp_path: Path) -> None:
    contours = [c for z in STACK for c in (circle(6, z), circle(6, z) + [30, 0, 0])]
    found = read_region(write(tmp_path / "s.dcm", contours), 3, FRAME)
    assert found.volume == pytest.approx(2 * np.pi * 36 * 30 / 1000, rel=0.015)


def test_oblique_planes_keep_volume_and_place(tmp_path: Path) -> None:
    turn = Rotation.from_euler("xyz", [20, -35, 10], degrees=True).as_matrix()
    contours = [circle(15, z) @ turn.T for z in STACK]
    found = read_region(write(tmp_path / "s.dcm", contours), 3, FRAME)
    assert found.volume == pytest.approx(np.pi * 15**2 * 30 / 1000, rel=0.01)
    expected = (turn @ [12, -7, 13.5]) * [-1, -1, 1]
    assert centre(found) == pytest.approx(expected, abs=0.3)


def test_a_skipped_plane_is_interpolated(tmp_path: Path) -> None:
    contours = [circle(15, z) for z in STACK if z != 12]
    found = read_region(write(tmp_path / "s.dcm", contours), 3, FRAME)
    assert found.volume == pytest.approx(np.pi * 15**2 * 30 / 1000, rel=0.01)


def test_a_wide_gap_stays_empty(tmp_path: Path) -> None:
    contours = [circle(15, z) for z in (0, 3, 6, 30, 33, 36)]
    found = read_region(write(tmp_path / "s.dcm", contours), 3, FRAME)
    assert found.volume == pytest.approx(np.pi * 15**2 * 18 / 1000, rel=0.01)


def test_a_single_plane_far_from_the_others_is_one_slice_thick(tmp_path: Path) -> None:
    contours = [*(circle(15, z) for z in STACK), circle(10, 80)]
    found = read_region(write(tmp_path / "s.dcm", contours), 3, FRAME)
    expected = np.pi * (15**2 * 30 + 10**2 * 3) / 1000
    assert found.volume == pytest.approx(expected, rel=0.01)


def test_planes_far_apart_are_no_volume(tmp_path: Path) -> None:
    path = write(tmp_path / "s.dcm", [circle(15, 0), circle(15, 60)])
    with pytest.raises(UnreadableImage, match="planes far apart"):
        read_region(path, 3, FRAME)


def test_contours_that_overlap_are_joined(tmp_path: Path) -> None:
    # Two circles of radius r with centres r apart: their union is 2 pi r² - (2 pi / 3 - sqrt(3) /
    # 2) r².
    contours = [c for z in STACK for c in (circle(12, z), circle(12, z) + [12, 0, 0])]
    found = read_region(write(tmp_path / "s.dcm", contours), 3, FRAME)
    union = (2 * np.pi - 2 * np.pi / 3 + np.sqrt(3) / 2) * 12**2
    assert found.volume == pytest.approx(union * 30 / 1000, rel=0.01)


def test_a_key_hole_is_a_hole(tmp_path: Path) -> None:
    """One contour runs around, along a channel to the hole, around it backwards, and back."""
    contours = []
    for z in STACK:
        outer, inner = circle(15, z), circle(8, z)[::-1]
        contours.append(np.vstack([outer, outer[:1], inner[-1:], inner, outer[:1]]))
    found = read_region(write(tmp_path / "s.dcm", contours), 3, FRAME)
    assert found.volume == pytest.approx(np.pi * (15**2 - 8**2) * 30 / 1000, rel=0.01)


def test_an_island_in_a_hole_is_part_of_the_region(tmp_path: Path) -> None:
    contours = [circle(r, z) for z in STACK for r in (15, 10, 5)]
    found = read_region(write(tmp_path / "s.dcm", contours), 3, FRAME)
    area = np.pi * (15**2 - 10**2 + 5**2)
    assert found.volume == pytest.approx(area * 30 / 1000, rel=0.01)


def test_an_exclusive_contour_cuts(tmp_path: Path) -> None:
    contours = [c for z in STACK for c in (circle(15, z), circle(8, z))]
    path = write(tmp_path / "s.dcm", contours, "CLOSEDPLANAR_XOR")
    expected = np.pi * (15**2 - 8**2) * 30 / 1000
    assert read_region(path, 3, FRAME).volume == pytest.approx(expected, rel=0.01)


def test_fragments_do_not_drop_a_region(tmp_path: Path) -> None:
    fragments = [circle(15, 12)[:2], circle(15, 15)[:1], np.tile(circle(15, 15)[:1], (4, 1))]
    contours = [*fragments, *(circle(15, z) for z in STACK)]
    found = read_region(write(tmp_path / "s.dcm", contours), 3, FRAME)
    assert found.volume == pytest.approx(np.pi * 15**2 * 30 / 1000, rel=0.01)


def test_uneven_planes_keep_their_volume(tmp_path: Path) -> None:
    """Slices of 2 and then 5 mm, each standing for half of the way to its neighbours."""
    heights = [0, 2, 4, 6, 8, 13, 18, 23]
    contours = [circle(15, z) for z in heights]
    found = read_region(write(tmp_path / "s.dcm", contours), 3, FRAME)
    assert found.volume == pytest.approx(np.pi * 15**2 * (23 + 1 + 2.5) / 1000, rel=0.02)


def test_a_contour_written_twice_is_no_hole(tmp_path: Path) -> None:
    contours = [c for z in STACK for c in (circle(15, z), circle(15, z))]
    found = read_region(write(tmp_path / "s.dcm", contours), 3, FRAME)
    assert found.volume == pytest.approx(np.pi * 15**2 * 30 / 1000, rel=0.01)


def test_contours_on_every_fourth_slice_are_interpolated(tmp_path: Path) -> None:
    """A cone from radius 15 to 2 mm: pi h / 3 (R² + R r + r²), and half a step at each end."""
    heights = np.array([0, 3, 15, 27, 39])
    contours = [circle(15 - z / 3, z) for z in heights]
    found = read_region(write(tmp_path / "s.dcm", contours), 3, FRAME)
    cone = np.pi * 39 / 3 * (15**2 + 15 * 2 + 2**2) + np.pi * 1.5 * (15**2 + 2**2)
    assert found.volume == pytest.approx(cone / 1000, rel=0.02)


@pytest.mark.parametrize(
    ("contours", "kind", "reason"),
    [
        ([circle(15, 0)], "CLOSED_PLANAR", "lies in one plane"),
        ([circle(15, 0), circle(15, 3)], "OPEN_PLANAR", "contours are open"),
        ([circle(15, 0), circle(15, 3)[:2]], "CLOSED_PLANAR", "lies in one plane"),
        ([circle(15, 0)[:2], circle(15, 3)[:2]], "CLOSED_PLANAR", "encloses an area"),
        (
            [
                circle(15, 0),
                circle(15, 9) * [1, 1, 0]
                + [0, 0, 9]
                + circle(15, 9) * [0, 0, 1] * 0
                + np.column_stack([np.zeros((200, 2)), np.linspace(0, 6, 200)]),
            ],
            "CLOSED_PLANAR",
            "not flat",
        ),
        ([], "CLOSED_PLANAR", "no contour"),
    ],
)
def test_what_cannot_be_trusted_is_refused(
    tmp_path: Path, contours: list[np.ndarray], kind: str, reason: str
) -> None:
    path = write(tmp_path / "s.dcm", contours, kind)
    with pytest.raises(UnreadableImage, match=reason):
        read_region(path, 3, FRAME)


def test_wrong_frame_of_reference_and_unknown_region(tmp_path: Path) -> None:
    path = write(tmp_path / "s.dcm", [circle(15, z) for z in STACK])
    with pytest.raises(UnreadableImage, match="not that of the images"):
        read_region(path, 3, "9.9")
    with pytest.raises(UnreadableImage, match="no region with ROINumber 4"):
        read_region(path, 4, FRAME)


def test_real_cube_of_a_phantom_plan(shared: Callable[[str], Path]) -> None:
    # A cube of 10 cm drawn on 21 planes 5 mm apart, each standing for 5 mm: 10 x 10 x 10.5 cm.
    (path,) = shared("rt/aptg_proton/plan03_ramp_full").glob("RS*.dcm")
    header = pydicom.dcmread(path)
    (number,) = [n for n, name in regions(header) if name == "Cube101010"]
    frame = str(header.StructureSetROISequence[0].ReferencedFrameOfReferenceUID)
    assert read_region(path, number, frame).volume == pytest.approx(1050, rel=0.01)
