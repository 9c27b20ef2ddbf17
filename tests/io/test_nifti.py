"""NIfTI volumes that could pass for another one are refused, with the file and the reason."""

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from flame.core.errors import UnreadableImage
from flame.core.imaging import Sequence
from flame.io.nifti import read_dose_map, read_nifti

GRID = np.diag([2.0, 2, 3, 1])
VOXELS = np.arange(24, dtype=np.float32).reshape(2, 3, 4)


def saved(path: Path, voxels: np.ndarray, affine: np.ndarray | None = GRID) -> Path:
    nib.save(nib.Nifti1Image(voxels, affine), path)
    return path


def test_a_volume(tmp_path: Path) -> None:
    scan = read_nifti(saved(tmp_path / "a.nii.gz", VOXELS[..., None]), Sequence.T1)
    assert np.array_equal(scan.voxels, VOXELS)
    assert np.array_equal(scan.affine, GRID)
    assert scan.sequence is Sequence.T1


@pytest.mark.parametrize(
    ("voxels", "reason"),
    [
        (np.stack([VOXELS, VOXELS], axis=-1), "one volume is required"),
        (np.where(VOXELS == 3, np.nan, VOXELS), "not finite"),
        (np.ones((2, 3, 4), np.float32), "constant"),
    ],
)
def test_refused_volumes(tmp_path: Path, voxels: np.ndarray, reason: str) -> None:
    path = saved(tmp_path / "a.nii.gz", voxels.astype(np.float32))
    with pytest.raises(UnreadableImage, match=reason) as error:
        read_nifti(path, Sequence.T1)
    assert error.value.path == path


def test_two_places_or_none_are_refused(tmp_path: Path) -> None:
    image = nib.Nifti1Image(VOXELS, GRID)
    image.set_qform(GRID + np.array([[0, 0, 0, 5.0], [0] * 4, [0] * 4, [0] * 4]), code=1)
    nib.save(image, tmp_path / "a.nii.gz")
    with pytest.raises(UnreadableImage, match=r"sform and qform differ by 5\.0 mm"):
        read_nifti(tmp_path / "a.nii.gz", Sequence.T1)
    image.set_sform(None, code=0)
    image.set_qform(None, code=0)
    nib.save(image, tmp_path / "b.nii.gz")
    with pytest.raises(UnreadableImage, match="no position in space"):
        read_nifti(tmp_path / "b.nii.gz", Sequence.T1)


def test_a_file_cut_short(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.nii.gz", VOXELS)
    path.write_bytes(path.read_bytes()[:40])
    with pytest.raises(UnreadableImage, match="no readable NIfTI"):
        read_nifti(path, Sequence.T1)


def test_a_dose(tmp_path: Path) -> None:
    dose = read_dose_map(saved(tmp_path / "a.nii.gz", VOXELS))
    assert dose.voxels.max() == 23
    assert not dose.biological
    with pytest.raises(UnreadableImage, match="below 0"):
        read_dose_map(saved(tmp_path / "b.nii.gz", VOXELS - 1))
