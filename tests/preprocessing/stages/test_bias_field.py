import numpy as np

from flame.core.cohort import Timepoint
from flame.core.imaging import Sequence
from flame.preprocessing.stages.bias_field import bias_field


def test_own_n4_and_that_of_itk_correct_alike(head_day: Timepoint) -> None:
    day = Timepoint(0, {Sequence.T1C: head_day.scans[Sequence.T1C]})
    own, itk = (bias_field(m)(day).scans[Sequence.T1C].voxels for m in ("n4", "simpleitk"))
    head = own > np.quantile(own, 0.6)
    ratio = own[head] / itk[head]
    assert np.abs(ratio / ratio.mean() - 1).mean() < 0.002


def test_a_known_field_is_flattened(head_day: Timepoint) -> None:
    scan = head_day.scans[Sequence.T1C]
    ramp = np.linspace(-0.4, 0.4, scan.voxels.shape[0])[:, None, None]
    biased = scan.after("biased", scan.voxels * np.exp(ramp).astype(np.float32))
    before = bias_field()(Timepoint(0, {Sequence.T1C: scan})).scans[Sequence.T1C].voxels
    after = bias_field()(Timepoint(0, {Sequence.T1C: biased})).scans[Sequence.T1C].voxels
    head = before > np.quantile(before, 0.6)
    ratio = np.log(after[head] / before[head])
    assert ratio.std() < 0.1  # 0.23 before correction
