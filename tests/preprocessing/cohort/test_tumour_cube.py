"""The cube around the tumour: where it lies, and who cannot be shown on it."""

import numpy as np
import pytest

from flame.core.cohort import Patient, Timepoint
from flame.core.errors import BadInput
from flame.core.imaging import LabelMap, Scan, Sequence
from flame.preprocessing.cohort.tumour_cube import (
    SHAPE,
    VOXEL_MM,
    around_tumour,
    coarse,
    cube_around,
    on_cube,
)

AFFINE = np.diag([2.0, 2.0, 2.0, 1.0])
AFFINE[:3, 3] = (-60.0, -80.0, -50.0)
SIDE = 70


def box(low: tuple[int, ...], high: tuple[int, ...]) -> LabelMap:
    mask = np.zeros((SIDE,) * 3, np.uint8)
    mask[tuple(slice(a, b) for a, b in zip(low, high, strict=True))] = 1
    return LabelMap(mask, AFFINE)


def day(number: int, mask: LabelMap | None, template: str = "") -> Timepoint:
    scan = Scan(np.ones((SIDE,) * 3, np.float32), AFFINE, Sequence.T1C)
    return Timepoint(number, {Sequence.T1C: scan}, tumour=mask, template=template)


def test_the_cube_is_centred_on_the_tumour() -> None:
    # Voxels 30 to 39 of 2 mm from -60 mm: their centres have the mean -60 + 2 * 34.5 = 9 mm.
    grid = cube_around(box((30, 30, 30), (40, 40, 40)))
    middle = grid @ [*((n - 1) / 2 for n in SHAPE), 1]
    assert middle[:3] == pytest.approx([9.0, -11.0, 19.0])
    assert np.diag(grid)[:3].tolist() == [VOXEL_MM] * 3


def test_all_days_lie_on_the_cube_of_the_last_mask_before_radiotherapy() -> None:
    # Sides of 24 and 36 mm are whole voxels of 3 mm, so that the coarser grid loses nothing.
    before, after = box((30, 30, 30), (42, 42, 42)), box((27, 27, 27), (45, 45, 45))
    patient = Patient("p", (day(-40, before), day(-3, before), day(60, after)))
    shown = on_cube(patient)
    grid = cube_around(before)
    for old, new in zip(patient.timepoints, shown.timepoints, strict=True):
        assert new.scans[Sequence.T1C].voxels.shape == SHAPE
        assert np.allclose(new.scans[Sequence.T1C].affine, grid)
        assert old.tumour is not None
        assert new.tumour is not None
        assert new.tumour.volume == pytest.approx(old.tumour.volume, rel=0.01)


@pytest.mark.parametrize(
    ("days", "reason"),
    [
        ([day(-3, box((0, 0, 0), (0, 0, 0)))], "no tumour mask"),
        ([day(-3, box((30, 30, 30), (40, 40, 40)), "own")], "images registered to own"),
        (
            [day(-3, box((30, 30, 30), (40, 40, 40))), day(60, box((0, 30, 30), (70, 40, 40)))],
            "reaches beyond the cube of 120 mm",
        ),
    ],
)
def test_who_cannot_be_shown_is_left_out_with_a_reason(days: list[Timepoint], reason: str) -> None:
    patient = Patient("p", tuple(days))
    left_out = around_tumour(patient)
    assert reason in left_out.left_out
    assert left_out.timepoints == ()
    with pytest.raises(BadInput, match="patient p"):
        on_cube(patient)


def test_a_thin_rim_keeps_its_volume_on_coarse_voxels() -> None:
    index = np.indices((80, 80, 80)) - 39.5
    distance = np.sqrt((index**2).sum(axis=0))
    rim = LabelMap(((distance > 18) & (distance < 20)).astype(np.uint8), np.eye(4))  # 2 mm thick
    moved, lost = coarse(rim, cube_around(rim))
    assert lost == 0
    assert moved.volume == pytest.approx(rim.volume, abs=0.5 * VOXEL_MM**3 / 1000)


def test_what_lies_outside_the_cube_is_counted() -> None:
    voxels = np.zeros((200, 20, 20), np.uint8)
    voxels[:10, :10, :10] = 1  # 1 ml at the corner
    voxels[190:, :10, :10] = 1  # 1 ml 180 mm away
    mask = LabelMap(voxels, np.eye(4))
    grid = cube_around(LabelMap(voxels * (np.arange(200) < 100)[:, None, None], np.eye(4)))
    _, lost = coarse(mask, grid)
    assert lost == pytest.approx(1.0)
