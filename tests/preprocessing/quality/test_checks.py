"""Checks on days built to pass and to fail them."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from flame.core.cohort import Timepoint
from flame.core.imaging import LabelMap, Scan, Sequence
from flame.preprocessing.quality.checks import (
    Check,
    at_border,
    brain_checks,
    coverage_checks,
    days_checks,
    final_checks,
    worst,
)
from flame.preprocessing.stages.atlas_registration import template


def ball(radius: float, centre: float = 49.5) -> LabelMap:
    index = np.indices((100, 100, 100))
    inside = ((index - np.array([49.5, 49.5, centre])[:, None, None, None]) ** 2).sum(0)
    return LabelMap((inside < radius**2).astype(np.uint8), np.diag([2.0, 2.0, 2.0, 1.0]))


def day(brain: LabelMap) -> Timepoint:
    scan = Scan(np.ones(brain.voxels.shape, np.float32), brain.affine, Sequence.T1)
    return Timepoint(0, {Sequence.T1: scan}, brain)


@pytest.mark.parametrize(("radius", "verdict"), [(20, "fail"), (33, "pass"), (45, "fail")])
def test_volume(radius: float, verdict: str) -> None:
    volume = brain_checks(day(ball(radius)))[0]
    # A ball of 33 voxels of 8 mm3 has 4/3 pi 33^3 * 0.008 = 1204 ml.
    assert volume.value == pytest.approx(4 / 3 * np.pi * radius**3 * 0.008, rel=0.01)
    assert volume.verdict == verdict


def test_a_brain_cut_by_the_field_of_view_is_to_be_reviewed() -> None:
    whole, cut = ball(35), ball(35, centre=20)
    assert at_border(whole) == 0
    assert at_border(cut) > 0.5  # cut 20 voxels above its middle
    assert [c.verdict for c in brain_checks(day(cut))] == ["pass", "review"]


def test_brain_far_from_the_template_and_unlike_sequences() -> None:
    atlas = template(spacing=4.0)
    rng = np.random.default_rng(0)
    brain = LabelMap(atlas.brain, atlas.affine)
    t1 = Scan(atlas.t1, atlas.affine, Sequence.T1)
    noise = rng.normal(size=t1.voxels.shape).astype(np.float32)
    t2 = Scan(noise, atlas.affine, Sequence.T2)
    found = final_checks(Timepoint(0, {Sequence.T1: t1, Sequence.T2: t2}, brain), atlas)
    assert [(c.name, c.verdict) for c in found] == [
        ("atlas_dice", "pass"),
        ("alignment_T2", "review"),
    ]
    away = atlas.affine.copy()
    away[0, 3] += 60
    moved = Timepoint(0, {Sequence.T1: replace(t1, affine=away)}, replace(brain, affine=away))
    assert worst(final_checks(moved, atlas)) == "fail"


def test_tumour_outside_the_brain_is_to_be_reviewed() -> None:
    atlas = template(spacing=4.0)
    scan = Scan(atlas.t1, atlas.affine, Sequence.T1)
    tumour = np.zeros_like(atlas.brain)
    tumour[:6, :6, :6] = 1
    found = final_checks(
        Timepoint(
            0,
            {Sequence.T1: scan},
            LabelMap(atlas.brain, atlas.affine),
            LabelMap(tumour, atlas.affine),
        ),
        atlas,
    )
    assert found[-1].name == "target_inside_brain"
    assert found[-1].verdict == "review"


def test_a_scan_that_shows_half_the_brain_fails() -> None:
    brain = ball(33)
    whole = Scan(np.ones(brain.voxels.shape, np.float32), brain.affine, Sequence.T1)
    half = Scan(whole.voxels[:, :, :50].copy(), brain.affine, Sequence.T2)
    found = coverage_checks(Timepoint(0, {Sequence.T1: whole, Sequence.T2: half}, brain))
    assert [c.verdict for c in found] == ["pass", "fail"]
    assert found[1].value == pytest.approx(0.5, abs=0.02)


def test_worst() -> None:
    checks = [Check("a", 1, "pass"), Check("b", 1, "review")]
    assert worst(checks) == "review"
    assert worst([]) == "pass"


@pytest.mark.parametrize(
    ("shift", "dice", "verdict"), [(0, 1.0, "pass"), (3, 0.85, "review"), (6, 0.7, "fail")]
)
def test_brains_of_two_days_are_compared(shift: int, dice: float, verdict: str) -> None:
    """Two cubes of side 20, shifted: the overlap is 1 - shift / 20 of each."""
    first, second = (np.zeros((40, 40, 40), np.uint8) for _ in range(2))
    first[10:30, 10:30, 10:30] = 1
    second[10 + shift : 30 + shift, 10:30, 10:30] = 1
    days = [Timepoint(0, {}, LabelMap(mask, np.eye(4))) for mask in (second, first)]
    (check,) = days_checks(*days)
    assert check.value == dice
    assert check.verdict == verdict
    assert ("reference day" in check.reason) == bool(shift)


@pytest.mark.parametrize(("shift", "verdict"), [(0, "pass"), (8, "fail")])
def test_scans_of_two_days_are_compared(shift: int, verdict: str) -> None:
    """Smooth noise in a ball, and the same 8 mm further on, under masks that agree."""
    rng = np.random.default_rng(0)
    voxels = gaussian_filter(rng.normal(size=(60, 60, 60)), 3).astype(np.float32)
    brain = np.linalg.norm(np.indices((60, 60, 60)) - 30, axis=0) < 24
    mask = LabelMap(brain.astype(np.uint8), np.eye(4))
    noise = rng.normal(scale=0.01 * voxels.std(), size=voxels.shape)
    later = (np.roll(voxels, shift, axis=0) + noise).astype(np.float32)
    first, second = (
        Timepoint(0, {Sequence.T1: Scan(v, np.eye(4), Sequence.T1)}, mask) for v in (voxels, later)
    )
    dice, alignment = days_checks(second, first)
    assert (dice.name, dice.verdict) == ("days_dice", "pass")
    assert (alignment.name, alignment.verdict) == ("days_alignment", verdict)
    assert ("another head" in alignment.reason) == bool(shift)
