import numpy as np
import pytest

from flame.core.cohort import Timepoint
from flame.core.imaging import LabelMap, Scan, Sequence
from flame.preprocessing.stages.interpolation import resample_labels
from flame.simulation.anatomy import template_head
from flame.simulation.scanner import SCANNERS, acquire, signal


@pytest.fixture(scope="session")
def head_day() -> Timepoint:
    """T1C and FLAIR of the template head without tumour at 4 mm, with bias and noise."""
    head = template_head()
    none = np.zeros(head.brain.shape, np.float32)
    affine = head.affine @ np.diag([2.0, 2.0, 2.0, 1.0])
    shape = tuple(n // 2 for n in head.brain.shape)
    scans = {}
    for sequence in (Sequence.T1C, Sequence.FLAIR):
        image = signal(head, none, none, sequence, 1.0)
        rng = np.random.default_rng(1)
        voxels = acquire(SCANNERS[0], image, head.affine, (affine, shape), rng)
        scans[sequence] = Scan(voxels.astype(np.float32), affine, sequence)
    return Timepoint(0, scans)


@pytest.fixture(scope="session")
def day_with_brain(head_day: Timepoint) -> Timepoint:
    """The same with the true brain mask."""
    head, scan = template_head(), head_day.scans[Sequence.T1C]
    whole = LabelMap(head.brain.astype(np.uint8), head.affine)
    brain = resample_labels(whole, scan.affine, scan.voxels.shape)
    return Timepoint(0, head_day.scans, brain)
