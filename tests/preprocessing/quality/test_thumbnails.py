"""Pictures of days: columns of sequences, outlines of brain and tumour, the right way up."""

import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from flame.core.cohort import Timepoint
from flame.core.imaging import DoseMap, LabelMap, Scan, Sequence
from flame.io.tumour_masks import WHOLE
from flame.preprocessing.quality.thumbnails import DOSES, REGIONS, picture, upright

AFFINE = np.diag([2.0, 2.0, 2.0, 1.0])
SIDE = 60


def ball(radius: float, *centre: float) -> LabelMap:
    index = np.indices((SIDE,) * 3)
    inside = ((index - np.array(centre)[:, None, None, None]) ** 2).sum(0) < radius**2
    return LabelMap(inside.astype(np.uint8), AFFINE)


def day(tumour: LabelMap | None = None) -> Timepoint:
    brain = ball(20, 30, 30, 30)
    bright = np.where(brain.voxels > 0, 100, 0).astype(np.float32)
    bright[:, :, 40:] *= 2  # the top of the head is brighter
    scans = {s: Scan(bright, AFFINE, s) for s in (Sequence.FLAIR, Sequence.T1C)}
    return Timepoint(0, scans, brain, tumour)


def pixels(jpeg: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(jpeg)).convert("RGB")).astype(int)


def is_red(image: np.ndarray) -> np.ndarray:
    return (image[..., 0] > 180) & (image[..., 1] < 130) & (image[..., 2] < 130)


def test_one_column_a_sequence_and_three_planes() -> None:
    image = pixels(picture(day()))
    height, width, _ = image.shape
    heading = height - 3 * width / 2  # three rows and two columns of square tiles
    assert 10 < heading < 30
    assert (image[: int(heading)] > 200).any()  # the names of the sequences


@pytest.mark.parametrize("flips", [(1, 1, 1), (-1, 1, 1), (-1, -1, 1), (1, 1, -1)])
def test_the_right_of_the_patient_is_on_the_left(flips: tuple[int, int, int]) -> None:
    """However the grid runs: the world says where the patient's right, front and head are."""
    affine = np.diag([2.0 * f for f in flips] + [1.0])
    affine[:3, 3] = [-2.0 * f * SIDE / 2 for f in flips]
    world = np.moveaxis(np.indices((SIDE,) * 3), 0, -1) @ affine[:3, :3].T + affine[:3, 3]
    brain = (np.linalg.norm(world, axis=-1) < 40).astype(np.uint8)
    bright = np.where(brain, 10.0, 0) + 90 * ((world > -6).all(axis=-1) & (brain > 0))
    scan = Scan(bright.astype(np.float32), affine, Sequence.T1)
    image = pixels(picture(Timepoint(0, {Sequence.T1: scan}, LabelMap(brain, affine))))
    tile = image.shape[1]
    top = image.shape[0] - 3 * tile
    half = tile // 2
    # The bright eighth is right, front and up, and reaches past the middle.
    for row in range(3):
        shown = image[top + row * tile : top + (row + 1) * tile, :, 1]
        assert shown[30:half, 30:half].mean() > 2 * shown[half + 9 : -30, half + 9 : -30].mean()


def test_dose_and_regions_are_outlined() -> None:
    whole = day(ball(4, 30, 30, 30))
    dose = np.where(ball(14, 30, 30, 30).voxels > 0, 60.0, 0).astype(np.float32)
    plain = pixels(picture(whole))
    drawn = pixels(
        picture(
            replace(
                whole,
                dose=DoseMap(dose, AFFINE, False),
                regions={WHOLE: ball(9, 30, 30, 30)},
            )
        )
    )

    def count(image: np.ndarray, colour: tuple[int, int, int]) -> int:
        return int((np.abs(image - np.array(colour)).max(axis=-1) < 60).sum())

    for colour in (DOSES[0.5], REGIONS[WHOLE]):
        assert count(drawn, colour) > count(plain, colour) + 100


def test_the_head_stands_upright() -> None:
    image = pixels(picture(day()))
    tile = image.shape[1] // 2
    top = image.shape[0] - 3 * tile + tile
    coronal = image[top : top + tile, :tile].sum(axis=-1)
    assert coronal[: tile // 2].mean() > coronal[tile // 2 :].mean()


def test_only_a_tumour_is_outlined_in_red() -> None:
    without = is_red(pixels(picture(day()))).sum()  # the edge of yellow on black
    assert is_red(pixels(picture(day(ball(6, 30, 30, 30))))).sum() > without + 50


def test_a_tumour_outside_the_head_does_not_spoil_the_picture() -> None:
    """The check target_inside_brain marks such a day; its picture shows the brain."""
    assert pixels(picture(day(ball(1, 1, 1, 1)))).shape == pixels(picture(day())).shape


def test_an_oblique_scan_is_turned_along_the_axes_of_the_world() -> None:
    whole = day()
    turn = np.array([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]]) * 2.0
    affine = np.eye(4)
    affine[:3, :3] = turn
    assert whole.brain is not None
    brain = LabelMap(whole.brain.voxels, affine)
    scan = Scan(whole.scans[Sequence.T1C].voxels, affine, Sequence.T1C)
    shown = upright(Timepoint(0, {Sequence.T1C: scan}, brain))
    assert shown.brain is not None
    assert np.allclose(np.abs(shown.brain.affine[:3, :3]), np.diag([1.5] * 3))
    assert abs(shown.brain.volume / brain.volume - 1) < 0.03
