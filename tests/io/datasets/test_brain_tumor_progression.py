"""Brain-Tumor-Progression: two days of T1C with the enhancing tumour, and nothing of the course."""

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from flame.core.errors import BadInput
from flame.core.imaging import Sequence
from flame.io.datasets.brain_tumor_progression import NOTE, BrainTumorProgression
from flame.io.tumour_masks import CORE, ENHANCING, read_regions


def download(root: Path, days: bool = True) -> Path:
    for name in ("PGBM-001", "PGBM-002"):
        (root / name).mkdir(parents=True)
        for file in ("pre_t1c", "pre_mask", "post_t1c", "post_mask"):
            (root / name / f"{file}.nii.gz").touch()
    if days:
        (root / "cases.csv").write_text("patient_id,days\nPGBM-001,63\nPGBM-002,\n")
    return root


def test_days_and_what_is_special(tmp_path: Path) -> None:
    data = BrainTumorProgression().read(download(tmp_path))
    assert [(v.patient, v.day) for v in data.visits] == [
        ("PGBM-001", 0),
        ("PGBM-001", 63),
        ("PGBM-002", 0),
        ("PGBM-002", 90),
    ]
    assert all(set(v.scans) == {Sequence.T1C} and v.tumour for v in data.visits)
    assert data.labels == "enhancing"
    assert data.visits[1].note == NOTE
    assert data.visits[3].note.startswith("the day is nominal")
    assert "2 of 4 days: dates not published, taken as 90 days apart" in data.missing
    assert "no dose, plan or start of radiotherapy" in data.missing


def test_another_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"holds nothing like PGBM-001/pre_t1c.nii.gz"):
        BrainTumorProgression().read(tmp_path)


def test_the_mask_is_the_enhancing_tumour(tmp_path: Path) -> None:
    mask = np.zeros((4, 4, 4), np.uint8)
    mask[1, 1, 1] = 1
    nib.Nifti1Image(mask, np.eye(4)).to_filename(tmp_path / "m.nii.gz")
    regions = read_regions(tmp_path / "m.nii.gz", "enhancing")
    assert set(regions) == {CORE, ENHANCING}
    assert regions[CORE].voxels.sum() == regions[ENHANCING].voxels.sum() == 1
