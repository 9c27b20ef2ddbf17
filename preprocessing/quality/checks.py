"""Quality checks of a preprocessed day: some fail the day, others mark it for review."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from flame.core.cohort import Timepoint
from flame.core.errors import StageFailed
from flame.core.imaging import STRUCTURAL, LabelMap, Sequence
from flame.preprocessing.quality.alignment import alignment
from flame.preprocessing.stages.atlas_registration import Template, overlap
from flame.preprocessing.stages.stage import reference, shared_sequence

BRAIN_ML = (900.0, 2000.0)
"""Range of plausible brain volumes of an adult in ml; outside it the day fails."""
MIN_ON_GRID = 0.97
"""Smallest share of the brain on the final grid; below it the day fails."""
MIN_OVERLAP = 0.85
"""Smallest Dice of the registered brain with the template's; below it the day fails."""
MIN_ALIGNMENT = 1.5
"""Smallest alignment of a sequence with the reference; below it the day needs review.

Determined on BraTS 2013 and TCGA: aligned scans have 2.4 to 4.1, scans shifted by 4 mm or rotated
by 8 degrees at most 1.5.
"""
MAX_AT_BORDER = 0.02
"""Largest value of ``at_border``; above it the day needs review."""
MIN_CONTRAST = 0.1
"""Smallest difference between mean intensities inside and outside the brain, in standard deviations
of the scan; below it the day fails.
"""
MIN_TARGET_INSIDE = 0.9
"""Smallest share of the gross tumour volume inside the brain; below it the day needs review."""
MIN_COVERAGE = 0.97
"""Smallest share of the brain in a scan's field of view; below it the day needs review."""
LEAST_COVERAGE = 0.8
"""Smallest share of the brain in a scan's field of view; below it the day fails."""

MIN_DAYS_DICE = 0.9
"""Smallest Dice of the brains of two days of one patient; below it the later day needs review."""
LEAST_DAYS_DICE = 0.8
"""Smallest Dice of the brains of two days of one patient; below it the later day fails."""
MIN_DAYS_ALIGNMENT = 2.0
"""Smallest alignment of two days of one patient; below it the later day needs review.

On the T1c of 8 patients of Brain-Tumor-Progression, 27 to 415 days apart, the second day of a
patient has 1.94 to 3.79, and that of another patient, moved onto the first, 1.03 to 1.64
(``benchmarks/days.py``).
"""
LEAST_DAYS_ALIGNMENT = 1.2
"""Smallest alignment of two days of one patient; below it the later day fails."""

Verdict = Literal["pass", "review", "fail"]


class QualityFailed(StageFailed):
    """A day failed its checks; a person can still accept it after a review.

    Args:
        checks: all checks of the day, at least one of which failed.
        picture: JPEG of the day.
    """

    def __init__(self, checks: "list[Check]", picture: bytes) -> None:
        super().__init__(next(c.reason for c in checks if c.verdict == "fail"))
        self.checks = checks
        self.picture = picture


@dataclass(frozen=True)
class Check:
    """Result of one check.

    Args:
        name: name of the measure.
        value: measured value.
        verdict: pass, review or fail.
        reason: reason of a verdict other than pass.
    """

    name: str
    value: float
    verdict: Verdict
    reason: str = ""


def brain_checks(timepoint: Timepoint) -> list[Check]:
    """Check the volume of the brain, whether the field of view cuts it, and its contrast.

    Args:
        timepoint: day with a brain mask, in native space.

    Returns:
        Checks brain_ml, brain_at_border and, if it can be measured, brain_contrast.
    """
    brain = timepoint.brain
    assert brain is not None
    low, high = BRAIN_ML
    volume = Check("brain_ml", round(brain.volume, 1), "pass")
    if not low <= brain.volume <= high:
        reason = (
            f"brain extraction gave {brain.volume:.0f} ml, outside {low:.0f} to {high:.0f} ml: "
            "is this a whole-head T1?"
        )
        volume = replace(volume, verdict="fail", reason=reason)
    cut = at_border(brain)
    border = Check("brain_at_border", round(cut, 4), "pass")
    if cut > MAX_AT_BORDER:
        border = replace(border, verdict="review", reason="the field of view cuts the brain")
    return [volume, border, *_stands_out(timepoint, brain)]


def _stands_out(timepoint: Timepoint, brain: LabelMap) -> list[Check]:
    """Fail a scan that looks alike inside and outside the brain: networks find brains in noise.

    The check is left out if no scan lies on the brain's grid, if the mask is empty or full, or if
    the scan is constant.
    """
    scan = next((s for s in timepoint.scans.values() if s.voxels.shape == brain.voxels.shape), None)
    inside = brain.voxels > 0
    if scan is None or not inside.any() or inside.all() or not scan.voxels.std():
        return []
    difference = abs(float(scan.voxels[inside].mean() - scan.voxels[~inside].mean()))
    contrast = Check("brain_contrast", round(difference / float(scan.voxels.std()), 4), "pass")
    if contrast.value < MIN_CONTRAST:
        reason = "the extracted brain looks like its surroundings: is this a whole-head T1?"
        contrast = replace(contrast, verdict="fail", reason=reason)
    return [contrast]


def at_border(brain: LabelMap) -> float:
    """Measure how much the field of view cuts the brain.

    For each axis, the measure is A d / V. A is the area of the mask on the outermost slice, first
    or last, that shows more of it, d is the depth of the mask along the axis, and V its volume.

    Args:
        brain: brain mask.

    Returns:
        Largest value of the three axes: 0 for a whole brain, about 1 for a brain that is cut
        through its middle.

    Example:
        >>> at_border(LabelMap(np.ones((4, 4, 4), np.uint8), np.eye(4)))
        1.0
    """
    inside = brain.voxels > 0
    total = max(int(inside.sum()), 1)
    shares = []
    for axis in range(3):
        in_slice = tuple({0, 1, 2} - {axis})
        depth = max(int(inside.any(axis=in_slice).sum()), 1)
        faces = np.take(inside, (0, -1), axis=axis).sum(axis=in_slice)
        shares.append(float(faces.max()) * depth / total)
    return max(shares)


def days_checks(timepoint: Timepoint, first: Timepoint) -> list[Check]:
    """Compare a day with the reference day of its patient.

    Args:
        timepoint: day with a brain mask, on the template's grid.
        first: reference day on the same grid.

    Returns:
        Checks days_dice, of the brains, and days_alignment, of a sequence that both days have; it
        is left out if there is none. Two masks of one head differ by surgery and by faults of brain
        extraction.
    """
    assert timepoint.brain is not None
    assert first.brain is not None
    inside = timepoint.brain.voxels > 0
    other = first.brain.voxels > 0
    total = int(inside.sum()) + int(other.sum())
    dice = 2 * int((inside & other).sum()) / total if total else 0.0
    check = Check("days_dice", round(dice, 4), "pass")
    if dice < MIN_DAYS_DICE:
        verdict: Verdict = "fail" if dice < LEAST_DAYS_DICE else "review"
        reason = (
            f"the brain overlaps that of the reference day with a Dice of only {dice:.2f}: one of "
            "the two masks may be wrong, or the days may not be aligned"
        )
        check = replace(check, verdict=verdict, reason=reason)
    sequence = shared_sequence(timepoint, first)
    if sequence is None:
        return [check]
    return [check, _days_alignment(timepoint, first, sequence, inside & other)]


def _days_alignment(
    timepoint: Timepoint, first: Timepoint, sequence: Sequence, inside: NDArray[np.bool_]
) -> Check:
    value = alignment(first.scans[sequence], timepoint.scans[sequence], inside)
    check = Check("days_alignment", round(value, 2), "pass")
    if value >= MIN_DAYS_ALIGNMENT:
        return check
    reason = (
        f"{sequence} may not be aligned with that of the reference day: it may be another head, or "
        "the registration of the days may have failed"
    )
    return replace(
        check, verdict="fail" if value < LEAST_DAYS_ALIGNMENT else "review", reason=reason
    )


def grid_checks(before: Timepoint, after: Timepoint) -> list[Check]:
    """Check that the brain lies on the final grid, which is that of the template.

    Args:
        before: day with a brain mask, before resampling.
        after: the day on the final grid.

    Returns:
        Check brain_on_grid, the share of the brain's volume that is left.
    """
    assert before.brain is not None
    assert after.brain is not None
    share = after.brain.volume / max(before.brain.volume, 1e-9)
    check = Check("brain_on_grid", round(share, 4), "pass")
    if share < MIN_ON_GRID:
        reason = (
            f"only {share:.0%} of the brain lie on the grid of the template: use a template with "
            "a larger field of view"
        )
        check = replace(check, verdict="fail", reason=reason)
    return [check]


def final_checks(timepoint: Timepoint, template: Template) -> list[Check]:
    """Check template overlap, alignment of the sequences, and the share of the tumour in the brain.

    Args:
        timepoint: day with a brain mask, on the template's grid.
        template: template that the day was registered to.

    Returns:
        Checks atlas_dice, alignment_SEQUENCE of each sequence but the reference, and, if the day
        has a tumour mask, target_inside_brain.
    """
    brain = timepoint.brain
    assert brain is not None
    dice = overlap(replace(brain, affine=_to_template(timepoint) @ brain.affine), template)
    atlas = Check("atlas_dice", round(dice, 4), "pass")
    if not dice >= MIN_OVERLAP:
        reason = (
            f"the brain overlaps the template with a Dice of only {dice:.2f}, below {MIN_OVERLAP}; "
            "look at the images of this day"
        )
        atlas = replace(atlas, verdict="fail", reason=reason)
    checks = [atlas, *_alignments(timepoint, brain)]
    if timepoint.tumour is not None:
        tumour = timepoint.tumour.voxels > 0
        share = float((brain.voxels > 0)[tumour].mean()) if tumour.any() else 0.0
        target = Check("target_inside_brain", round(share, 4), "pass")
        if share < MIN_TARGET_INSIDE:
            reason = (
                "part of the gross tumour volume lies outside the brain: the plan may belong to "
                "other images, or the brain mask may be cut"
            )
            target = replace(target, verdict="review", reason=reason)
        checks.append(target)
    return checks


def _to_template(timepoint: Timepoint) -> NDArray[np.float64]:
    return np.eye(4) if timepoint.to_template is None else timepoint.to_template


def _alignments(timepoint: Timepoint, brain: LabelMap) -> list[Check]:
    inside = brain.voxels > 0
    fixed = reference(timepoint)
    checks = []
    for sequence, scan in timepoint.scans.items():
        if scan is fixed:
            continue
        value = alignment(fixed, scan, inside)
        check = Check(f"alignment_{sequence}", round(value, 2), "pass")
        if not value >= MIN_ALIGNMENT:
            reason = (
                f"{sequence} may not be aligned with {fixed.sequence}: co-registration may have "
                "failed"
            )
            check = replace(check, verdict="review", reason=reason)
        checks.append(check)
    return checks


def coverage_checks(timepoint: Timepoint) -> list[Check]:
    """Check the share of the brain in each scan's field of view, before resampling.

    Args:
        timepoint: day with a brain mask, with all scans in one world space.

    Returns:
        Check coverage_SEQUENCE of each scan, measured at every 50th voxel of the brain.
    """
    brain = timepoint.brain
    assert brain is not None
    index = np.argwhere(brain.voxels)[::50]
    world = np.c_[index, np.ones(len(index))] @ brain.affine.T
    checks = []
    for sequence, scan in timepoint.scans.items():
        position = (world @ np.linalg.inv(scan.affine).T)[:, :3]
        end = np.array(scan.voxels.shape) - 0.5
        inside = ((position > -0.5) & (position < end)).all(axis=1)
        share = float(inside.mean()) if len(inside) else 0.0
        check = Check(f"coverage_{sequence}", round(share, 4), "pass")
        if share < MIN_COVERAGE:
            verdict: Verdict = "fail" if share < LEAST_COVERAGE else "review"
            reason = f"{sequence} covers only {share:.0%} of the brain"
            check = replace(check, verdict=verdict, reason=reason)
        checks.append(check)
    return checks


def worst(checks: list[Check]) -> Verdict:
    """Find the worst verdict of some checks.

    Args:
        checks: checks of a day.

    Returns:
        Worst verdict; pass if the list is empty.

    Example:
        >>> worst([Check("a", 1.0, "pass"), Check("b", 0.2, "review")])
        'review'
    """
    order: Mapping[Verdict, int] = {"pass": 0, "review": 1, "fail": 2}
    return max((c.verdict for c in checks), key=order.__getitem__, default="pass")


def sequences_missing(scans: Mapping[Sequence, object]) -> list[str]:
    """List the sequences of the protocol that a day lacks.

    Args:
        scans: mapping with the sequences of the day as keys.

    Returns:
        Names of the missing sequences, in the order of ``STRUCTURAL``.

    Example:
        >>> sequences_missing({Sequence.T1: None, Sequence.T1C: None})
        ['T2', 'FLAIR']
    """
    return [str(s) for s in STRUCTURAL if s not in scans]
