"""Pictures of days: columns of sequences, outlines of brain and tumour, the right way up."""

import io

import numpy as np
from PIL import Image

from flame.core.cohort import Timepoint
from flame.core.imaging import LabelMap, Scan, Sequence
from flame.preprocessing.quality.thumbnails import picture, upright

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
    assert height == 3 * width / 2  # three rows and two columns of square tiles


def test_the_head_stands_upright() -> None:
    image = pixels(picture(day()))
    tile = image.shape[1] // 2
    coronal = image[tile : 2 * tile, :tile].sum(axis=-1)
    assert coronal[: tile // 2].mean() > coronal[tile // 2 :].mean()


def test_only_a_tumour_is_outlined_in_red() -> None:
    assert not is_red(pixels(picture(day()))).any()
    assert is_red(pixels(picture(day(ball(6, 30, 30, 30))))).sum() > 50


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
