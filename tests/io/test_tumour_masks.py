"""Labels of tumour masks: what each convention calls core, whole and enhancing tumour."""

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from flame.core.errors import UnreadableImage
from flame.io.tumour_masks import read_regions


def written(folder: Path, *labels: float) -> Path:
    """A mask whose sagittal planes have ``labels``."""
    voxels = np.zeros((len(labels), 3, 3), np.float32)
    voxels += np.array(labels)[:, None, None]
    nib.Nifti1Image(voxels, np.eye(4)).to_filename(folder / "mask.nii.gz")
    return folder / "mask.nii.gz"


def planes(path: Path, convention: str = "brats") -> dict[str, list[int]]:
    """Sagittal planes of each region."""
    found = read_regions(path, convention)
    return {name: np.flatnonzero(m.voxels.any((1, 2))).tolist() for name, m in found.items()}


def test_labels_to_2021_and_since(tmp_path: Path) -> None:
    path = written(tmp_path, 0, 1, 2, 3, 4)
    assert planes(path) == {"core": [1, 3, 4], "whole": [1, 2, 3, 4], "enhancing": [4]}
    since = {"core": [1, 3], "whole": [1, 2, 3], "enhancing": [3]}  # 4 is a cavity
    assert planes(path, "brats-2023") == since


def test_what_is_not_labelled_is_not_known(tmp_path: Path) -> None:
    assert planes(written(tmp_path, 0, 1, 4)) == {"core": [1, 2], "enhancing": [2]}
    assert planes(written(tmp_path, 0, 1, 2)) == {"core": [1], "whole": [1, 2]}


@pytest.mark.parametrize(
    ("label", "convention", "expected"),
    [
        (1, "brats", {"core": [1]}),
        (2, "brats", {"core": [], "whole": [1]}),  # oedema alone is no gross tumour
        (4, "brats", {"core": [1], "enhancing": [1]}),
        (3, "brats-2023", {"core": [1], "enhancing": [1]}),
        (4, "brats-2023", {"core": []}),  # a cavity
    ],
)
def test_one_label_alone_means_what_it_says(
    tmp_path: Path, label: int, convention: str, expected: dict[str, list[int]]
) -> None:
    assert planes(written(tmp_path, 0, label), convention) == expected


def test_other_values_are_refused(tmp_path: Path) -> None:
    for labels in ((0, 50), (0, 0.5), (0, np.nan)):
        with pytest.raises(UnreadableImage, match="labels 0 to 4"):
            read_regions(written(tmp_path, *labels))
    (tmp_path / "text.nii.gz").write_text("no image")
    with pytest.raises(UnreadableImage, match="no readable NIfTI"):
        read_regions(tmp_path / "text.nii.gz")
