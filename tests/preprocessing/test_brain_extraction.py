from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from flame.core.cohort import Timepoint
from flame.core.errors import StageFailed
from flame.core.imaging import Scan, Sequence
from flame.preprocessing.brain_extraction import extract_brain
from flame.preprocessing.stage import reference
from flame.simulation.anatomy import warped_head
from flame.simulation.scanner import signal


def test_brain_of_a_simulated_head_is_found() -> None:
    head = warped_head(np.random.default_rng(3))
    none = np.zeros(head.brain.shape, np.float32)
    image = signal(head, none, none, Sequence.T1, 1.0) * 1000
    found = extract_brain(Scan(image, head.affine, Sequence.T1)).voxels > 0
    dice = 2 * (found & head.brain).sum() / (found.sum() + head.brain.sum())
    assert dice > 0.95


@pytest.mark.slow
def test_brain_of_a_real_head_has_a_plausible_volume(shared: Callable[[str], Path]) -> None:
    image = nib.load(shared("heads/t1_crop.nii.gz"))
    scan = Scan(image.get_fdata(dtype=np.float32), image.affine, Sequence.T1)
    assert 1200 < extract_brain(scan).volume < 1800


def test_noise_is_refused_not_masked() -> None:
    noise = np.random.default_rng(0).random((60, 60, 60)).astype(np.float32)
    with pytest.raises(StageFailed, match="brain extraction"):
        extract_brain(Scan(noise, np.diag([3.0, 3.0, 3.0, 1.0]), Sequence.T1))


def test_flair_alone_cannot_be_used() -> None:
    scan = Scan(np.ones((4, 4, 4), np.float32), np.eye(4), Sequence.FLAIR)
    with pytest.raises(StageFailed, match="only FLAIR here: T1 or T1C is needed"):
        reference(Timepoint(0, {Sequence.FLAIR: scan}))
