"""What every registered image stage promises."""

import json
from dataclasses import replace

import numpy as np
import pytest

from flame.core.cohort import Timepoint
from flame.core.errors import StageFailed
from flame.core.imaging import Sequence
from flame.preprocessing.stages.stage import STAGES, Place

INTENSITIES = [name for name in STAGES if STAGES[name]().place is Place.INTENSITY]


@pytest.mark.parametrize("name", list(STAGES))
def test_stage(name: str, day_with_brain: Timepoint) -> None:
    before = {s: (v.voxels.copy(), v.affine.copy()) for s, v in day_with_brain.scans.items()}
    stage = STAGES[name]()
    once, again = stage(day_with_brain), stage(day_with_brain)
    for sequence, scan in once.scans.items():
        voxels, affine = before[sequence]
        assert np.array_equal(day_with_brain.scans[sequence].voxels, voxels), "input mutated"
        assert np.array_equal(day_with_brain.scans[sequence].affine, affine), "input mutated"
        same = np.array_equal(scan.voxels, again.scans[sequence].voxels, equal_nan=True)
        assert same, "not repeatable"
        assert np.array_equal(scan.affine, again.scans[sequence].affine), "not repeatable"
        # Only resampling leaves NaN, far from what is shown, for the normalisation to fill.
        assert np.isfinite(scan.voxels).all() or name == "resampling"
        assert scan.history == (name,)
    assert once.scans.keys() == day_with_brain.scans.keys()


@pytest.mark.parametrize("name", list(STAGES))
def test_stage_describes_itself(name: str, day_with_brain: Timepoint) -> None:
    stage = STAGES[name]()
    assert stage.name == name
    assert json.loads(json.dumps(dict(stage.parameters))) == dict(stage.parameters)
    estimate = stage.estimate(day_with_brain)
    assert bool(estimate) == stage.has_estimate
    assert all(isinstance(v, np.ndarray) and np.isfinite(v).all() for v in estimate.values())


@pytest.mark.parametrize("name", ["atlas_registration", *INTENSITIES])
def test_stage_that_needs_the_brain_says_so(name: str, head_day: Timepoint) -> None:
    with pytest.raises(StageFailed, match="brain_extraction"):
        STAGES[name]()(head_day)


@pytest.mark.parametrize("name", INTENSITIES)
def test_outside_the_brain_is_zero(name: str, day_with_brain: Timepoint) -> None:
    for scan in STAGES[name]()(day_with_brain).scans.values():
        assert not scan.voxels[day_with_brain.brain.voxels == 0].any()


@pytest.mark.parametrize("name", INTENSITIES)
def test_what_a_scan_does_not_show_is_left_out_of_its_statistics(
    name: str, day_with_brain: Timepoint
) -> None:
    scan = day_with_brain.scans[Sequence.T1C]
    cut, brain = scan.voxels.copy(), day_with_brain.brain.voxels.copy()
    cut[:, :, :20] = np.nan
    brain[:, :, :20] = 0
    mask = replace(day_with_brain.brain, voxels=brain)
    seen = STAGES[name]()(Timepoint(0, {Sequence.T1C: scan}, mask)).scans[Sequence.T1C]
    day = Timepoint(0, {Sequence.T1C: scan.after("cut", cut)}, day_with_brain.brain)
    found = STAGES[name]()(day).scans[Sequence.T1C]
    assert np.array_equal(found.voxels, seen.voxels)


@pytest.mark.parametrize("value", [1.0, np.nan])
@pytest.mark.parametrize("name", INTENSITIES)
def test_constant_or_broken_scan_fails(name: str, value: float, day_with_brain: Timepoint) -> None:
    scan = day_with_brain.scans[Sequence.T1C]
    flat = scan.after("flat", np.full_like(scan.voxels, value))
    with pytest.raises(StageFailed, match="constant or not finite"):
        STAGES[name]()(Timepoint(0, {Sequence.T1C: flat}, day_with_brain.brain))
