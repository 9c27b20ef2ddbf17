"""Alignment of scans whose displacement is known."""

from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from scipy.ndimage import shift

from flame.core.imaging import Scan, Sequence
from flame.preprocessing.quality.alignment import alignment, similarity
from flame.preprocessing.quality.checks import MIN_ALIGNMENT

CASES = ("case_0", "case_2", "case_3", "case_5", "case_6", "case_7", "case_8")


def test_similarity_of_equal_and_of_independent_samples() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 200_000)).astype(np.float32)
    assert similarity(a, a**3) == pytest.approx(1, abs=1e-5)  # a one-to-one map loses nothing
    assert similarity(a, b) < 0.01


def test_unlike_scans_are_as_alike_anywhere() -> None:
    voxels = np.random.default_rng(0).normal(size=(2, 60, 60, 60)).astype(np.float32)
    a, b = (Scan(v, np.diag([2.0, 2.0, 2.0, 1.0]), Sequence.T1) for v in voxels)
    assert alignment(a, b, np.ones(a.voxels.shape, bool)) == pytest.approx(1, abs=0.1)


def test_a_brain_thinner_than_the_shift_has_no_alignment() -> None:
    scan = Scan(np.ones((30, 30, 4), np.float32), np.eye(4), Sequence.T1)
    assert np.isnan(alignment(scan, scan, np.ones((30, 30, 4), bool)))


@pytest.mark.parametrize("case", CASES)
def test_real_flair_on_its_t1_and_moved_away(shared: Callable[[str], Path], case: str) -> None:
    # The gate was fixed on other patients (BraTS 2013 and TCGA).
    folder = shared(f"imaging/brats2018/{case}")
    t1, flair = (
        nib.load(folder / f"{n}.nii.gz").get_fdata(dtype=np.float32) for n in ("T1", "FLAIR")
    )
    affine = np.eye(4)
    fixed = Scan(t1, affine, Sequence.T1)
    assert alignment(fixed, Scan(flair, affine, Sequence.FLAIR), t1 > 0) > MIN_ALIGNMENT
    moved = np.asarray(shift(flair, (0, 5, 0), order=1), np.float32)
    assert alignment(fixed, Scan(moved, affine, Sequence.FLAIR), t1 > 0) < MIN_ALIGNMENT
