"""What every registered image stage promises."""

import numpy as np
import pytest

from flame.core.cohort import Timepoint
from flame.core.errors import StageFailed
from flame.core.imaging import LabelMap, Sequence
from flame.preprocessing import session  # noqa: F401  (registers every stage)
from flame.preprocessing.atlas import mni152
from flame.preprocessing.stage import STAGES

Day = Timepoint


@pytest.fixture(scope="session")
def day_with_brain(head_day: Day) -> Day:
    from flame.preprocessing.resampling import resample
    from flame.simulation.anatomy import template_head

    head, scan = template_head(), head_day.scans[Sequence.T1C]
    soft = resample(head.brain.astype(np.float32), head.affine, scan.affine, scan.voxels.shape)
    return Day(0, head_day.scans, LabelMap((soft > 0.5).astype(np.uint8), scan.affine))


@pytest.mark.parametrize("name", list(STAGES))
def test_stage(name: str, day_with_brain: Day) -> None:
    before = {s: (v.voxels.copy(), v.affine.copy()) for s, v in day_with_brain.scans.items()}
    stage = STAGES[name]()
    once, again = stage(day_with_brain), stage(day_with_brain)
    for sequence, scan in once.scans.items():
        voxels, affine = before[sequence]
        assert np.array_equal(day_with_brain.scans[sequence].voxels, voxels), "input mutated"
        assert np.array_equal(day_with_brain.scans[sequence].affine, affine), "input mutated"
        assert np.array_equal(scan.voxels, again.scans[sequence].voxels), "not repeatable"
        assert np.array_equal(scan.affine, again.scans[sequence].affine), "not repeatable"
        assert np.isfinite(scan.voxels).all()
        assert scan.history == (name,)
    assert once.scans.keys() == day_with_brain.scans.keys()


@pytest.mark.parametrize("name", ["atlas_registration", "zscore"])
def test_stage_that_needs_the_brain_says_so(name: str, head_day: Day) -> None:
    with pytest.raises(StageFailed, match="brain_extraction"):
        STAGES[name]()(head_day)


def test_zscore_is_zero_one_in_the_brain(day_with_brain: Day) -> None:
    scan = STAGES["zscore"]()(day_with_brain).scans[Sequence.T1C]
    inside = day_with_brain.brain.voxels > 0
    assert scan.voxels[inside].mean() == pytest.approx(0, abs=1e-5)
    assert scan.voxels[inside].std() == pytest.approx(1, abs=1e-5)
    assert not scan.voxels[~inside].any()


def test_constant_scan_fails(day_with_brain: Day) -> None:
    scan = day_with_brain.scans[Sequence.T1C]
    flat = scan.after("flat", np.ones_like(scan.voxels))
    with pytest.raises(StageFailed, match="constant"):
        STAGES["zscore"]()(Day(0, {Sequence.T1C: flat}, day_with_brain.brain))


def test_resampling_is_exact_on_a_linear_image() -> None:
    # A linear ramp in world space survives any linear resampling: value = x + 2y + 3z.
    from flame.preprocessing.resampling import resample

    source = np.array([[2, 0, 0, -140], [0, 2, 0, -180], [0, 0, 2, -120], [0, 0, 0, 1.0]])
    index = np.indices((140, 160, 150)).reshape(3, -1).T
    ramp = (index @ source[:3, :3].T + source[:3, 3]) @ [1, 2, 3]
    grid = mni152(4.0)
    found = resample(
        ramp.reshape(140, 160, 150).astype(np.float32), source, grid.affine, grid.t1.shape
    )
    target = np.indices(grid.t1.shape).reshape(3, -1).T
    expected = (target @ grid.affine[:3, :3].T + grid.affine[:3, 3]) @ [1, 2, 3]
    inner = np.s_[3:-3, 3:-3, 3:-3]
    assert np.allclose(found[inner], expected.reshape(grid.t1.shape)[inner], atol=0.5)
