"""A public data set from its folders to a cohort that a run can be trained on."""

import shutil
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from typer.testing import CliRunner

from flame.cli import app
from flame.core.errors import BadInput
from flame.core.imaging import STRUCTURAL, Sequence
from flame.io.bids import read_timepoint
from flame.io.tumour_masks import ENHANCING, WHOLE
from flame.pipelines import import_dataset
from flame.pipelines.import_dataset import ImportConfig
from flame.preprocessing.cohort.cohort import read_cohort, sessions
from flame.preprocessing.config import StageConfig

NAMES = {Sequence.T1: "T1", Sequence.T1C: "T1c", Sequence.T2: "T2", Sequence.FLAIR: "Flair"}


@pytest.fixture
def download(derivatives: Path, tmp_path: Path) -> Path:
    """SAILOR of one patient and two days, with the heads of a simulated one."""
    (subject,) = (p.name.removeprefix("sub-") for p in derivatives.glob("sub-*"))
    for number, (session, day) in enumerate(sessions(derivatives, subject), 1):
        made = read_timepoint(derivatives, subject, session, day)
        folder = tmp_path / "sailor" / "sub-01" / f"ses-{number:02d}"
        folder.mkdir(parents=True)
        assert made.brain is not None
        for sequence, name in NAMES.items():
            scan = made.scans[sequence]
            inside = made.brain.voxels > 0
            voxels = np.where(inside, scan.voxels - scan.voxels[inside].min() + 1, 0)
            nib.save(nib.Nifti1Image(voxels, scan.affine), folder / f"{name}.nii.gz")
        assert made.tumour is not None
        tumour = made.tumour.voxels > 0
        grown = np.roll(tumour, 2, axis=0) | tumour
        for name, mask in (("ContrastEnhancedMask-CL", tumour), ("EdemaMask-CL", grown)):
            image = nib.Nifti1Image(mask.astype(np.uint8), made.tumour.affine)
            nib.save(image, folder / f"{name}.nii.gz")
        dose = nib.Nifti1Image(np.full(tumour.shape, 60, np.float32), made.tumour.affine)
        nib.save(dose, folder / "DoseMap.nii.gz")
    (tmp_path / "sailor" / "sub-01" / "intervals-days.txt").write_text("75\n")
    return tmp_path / "sailor"


def test_from_the_download_to_a_cohort(download: Path, tmp_path: Path) -> None:
    config = ImportConfig("sailor", str(download), str(tmp_path / "bids"), StageConfig(spacing=3.0))
    result = import_dataset.run(config)
    assert [r.status for r in result.studies["sailor"]] == ["done", "done"]
    cohort = read_cohort(tmp_path / "bids" / "sailor", "sailor", lambda patient: patient)
    (patient,) = cohort.patients
    assert patient.pseudonym == "sub01"
    assert [t.day for t in patient.timepoints] == [0, 75]
    first = patient.timepoints[0]
    assert set(first.scans) == set(STRUCTURAL)
    assert first.tumour is not None
    assert first.dose is not None
    drawn = nib.load(download / "sub-01" / "ses-01" / "ContrastEnhancedMask-CL.nii.gz")
    # What enhances is the core where nothing else of it is drawn; the oedema makes it the whole.
    ml = float(np.sum(drawn.get_fdata() > 0)) * 0.027
    assert first.tumour.volume == pytest.approx(ml, rel=0.15)
    assert first.regions[ENHANCING].volume == pytest.approx(first.tumour.volume)
    assert first.regions[WHOLE].volume > first.tumour.volume
    assert first.dose.voxels.max() == pytest.approx(60, rel=0.01)
    again = import_dataset.run(config)
    assert [r.status for r in again.studies["sailor"]] == ["skipped", "skipped"]


def test_what_is_there_is_said_before_anything_is_made(download: Path, tmp_path: Path) -> None:
    shown = CliRunner().invoke(
        app, ["import", "sailor", str(download), str(tmp_path / "o"), "--check"]
    )
    assert shown.exit_code == 0
    assert '"days": 2' in shown.stdout
    assert not (tmp_path / "o").exists()


def test_bad_use(download: Path, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="unknown data set 'sailr': .*sailor"):
        import_dataset.run(ImportConfig("sailr", str(download), str(tmp_path / "o")))
    config = ImportConfig("sailor", str(download), str(tmp_path / "o"), centres=("north",))
    with pytest.raises(BadInput, match="no centre north: sailor"):
        import_dataset.run(config)


def test_a_damaged_mask_costs_its_own_day(download: Path, tmp_path: Path) -> None:
    (download / "sub-01" / "ses-02" / "EdemaMask-CL.nii.gz").write_bytes(b"cut short")
    config = ImportConfig("sailor", str(download), str(tmp_path / "bids"), StageConfig(spacing=3.0))
    first, second = import_dataset.run(config).studies["sailor"]
    assert (first.status, second.status) == ("done", "failed")
    assert "tumour mask is no readable NIfTI" in second.note
    other = ImportConfig("sailor", str(tmp_path / "copy"), config.out, config.stages)
    shutil.copytree(download, tmp_path / "copy")
    with pytest.raises(BadInput, match="something else than an import of this download"):
        import_dataset.run(other)
    assert (tmp_path / "bids" / "sailor" / "sub-sub01").exists()
