"""Quality checks of a preprocessed day: what fails, and what a person should look at."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from flame.core.cohort import Timepoint
from flame.core.errors import StageFailed
from flame.core.imaging import LabelMap, Sequence
from flame.preprocessing.quality.alignment import alignment
from flame.preprocessing.stages.atlas_registration import Template, overlap
from flame.preprocessing.stages.stage import reference

BRAIN_ML = (900.0, 2000.0)
"""Plausible brain volumes of an adult in ml; outside them the day fails."""
MIN_OVERLAP = 0.85
"""Least Dice of the registered brain with the template's; below it the day fails."""
MIN_ALIGNMENT = 1.5
"""Least alignment of a sequence with the reference; below it a person should look.

Fixed on BraTS 2013 and TCGA: aligned 2.4 to 4.1, moved by 4 mm or turned by 8 degrees at most 1.5.
"""
MAX_AT_BORDER = 0.02
"""Largest share of the brain on the outermost slices of the field of view."""
MIN_CONTRAST = 0.1
"""Least distance of the brain's mean grey value from all else's, in standard deviations."""
MIN_TARGET_INSIDE = 0.9
"""Least share of the gross tumour volume inside the brain."""
MIN_COVERAGE, LEAST_COVERAGE = 0.97, 0.8
"""Share of the brain that a scan must show; below the first to be reviewed, the second fails."""

Verdict = Literal["pass", "review", "fail"]


class QualityFailed(StageFailed):
    """A day whose checks failed; a person who looked at it can accept it all the same."""

    def __init__(self, checks: "list[Check]", picture: bytes) -> None:
        super().__init__(next(c.reason for c in checks if c.verdict == "fail"))
        self.checks, self.picture = checks, picture


@dataclass(frozen=True)
class Check:
    """One measure of a day, its verdict, and what the verdict means."""

    name: str
    value: float
    verdict: Verdict
    reason: str = ""


def brain_checks(timepoint: Timepoint) -> list[Check]:
    """Volume of the brain in its native space, whether it is cut, whether it stands out."""
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
    """Fail where the scan is the same within and without: a network finds brains in noise, too."""
    scan = next((s for s in timepoint.scans.values() if s.voxels.shape == brain.voxels.shape), None)
    inside = brain.voxels > 0
    if scan is None or not inside.any() or inside.all() or not scan.voxels.std():
        return []
    apart = abs(float(scan.voxels[inside].mean() - scan.voxels[~inside].mean()))
    contrast = Check("brain_contrast", round(apart / float(scan.voxels.std()), 4), "pass")
    if contrast.value < MIN_CONTRAST:
        reason = "what was taken for the brain looks like all around it: is this a whole-head T1?"
        contrast = replace(contrast, verdict="fail", reason=reason)
    return [contrast]


def at_border(brain: LabelMap) -> float:
    """Share of the brain's voxels that lie on the faces of the field of view, times its depth.

    A brain cut through its middle has one slice of about its depth there: about 1; whole: 0.
    """
    inside = brain.voxels > 0
    total = max(int(inside.sum()), 1)
    shares = []
    for axis in range(3):
        depth = max(int(inside.any(axis=tuple({0, 1, 2} - {axis})).sum()), 1)
        faces = np.take(inside, (0, -1), axis=axis).sum(axis=tuple({0, 1, 2} - {axis}))
        shares.append(float(faces.max()) * depth / total)
    return max(shares)


def final_checks(timepoint: Timepoint, template: Template) -> list[Check]:
    """Overlap with the template, alignment of the sequences, tumour inside the brain."""
    brain = timepoint.brain
    assert brain is not None
    dice = overlap(brain, template)
    atlas = Check("atlas_dice", round(dice, 4), "pass")
    if not dice >= MIN_OVERLAP:
        reason = (
            f"the brain overlaps the template by Dice {dice:.2f} only, below {MIN_OVERLAP}; "
            "look at the images of this day"
        )
        atlas = replace(atlas, verdict="fail", reason=reason)
    checks = [atlas, *_alignments(timepoint, brain)]
    if timepoint.tumour is not None:
        tumour = timepoint.tumour.voxels > 0
        share = float((brain.voxels > 0)[tumour].mean()) if tumour.any() else 0.0
        target = Check("target_inside_brain", round(share, 4), "pass")
        if share < MIN_TARGET_INSIDE:
            reason = "the gross tumour volume leaves the brain: wrong plan, or a cut mask"
            target = replace(target, verdict="review", reason=reason)
        checks.append(target)
    return checks


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
            reason = f"{sequence} may not lie on {fixed.sequence}: co-registration may have failed"
            check = replace(check, verdict="review", reason=reason)
        checks.append(check)
    return checks


def coverage_checks(timepoint: Timepoint) -> list[Check]:
    """Share of the brain within each scan's field of view, before anything is resampled."""
    brain = timepoint.brain
    assert brain is not None
    index = np.argwhere(brain.voxels)[::50]
    world = np.c_[index, np.ones(len(index))] @ brain.affine.T
    checks = []
    for sequence, scan in timepoint.scans.items():
        at = (world @ np.linalg.inv(scan.affine).T)[:, :3]
        inside = ((at > -0.5) & (at < np.array(scan.voxels.shape) - 0.5)).all(axis=1)
        share = float(inside.mean()) if len(inside) else 0.0
        check = Check(f"coverage_{sequence}", round(share, 4), "pass")
        if share < MIN_COVERAGE:
            verdict: Verdict = "fail" if share < LEAST_COVERAGE else "review"
            reason = f"{sequence} shows {share:.0%} of the brain only"
            check = replace(check, verdict=verdict, reason=reason)
        checks.append(check)
    return checks


def worst(checks: list[Check]) -> Verdict:
    """The worst verdict among ``checks``."""
    order: Mapping[Verdict, int] = {"pass": 0, "review": 1, "fail": 2}
    return max((c.verdict for c in checks), key=order.__getitem__, default="pass")


def sequences_missing(scans: Mapping[Sequence, object]) -> list[str]:
    """Names of the sequences of the protocol that are not there."""
    return [str(s) for s in Sequence if s not in scans]
