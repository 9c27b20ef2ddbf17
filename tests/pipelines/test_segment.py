"""Tumour masks predicted for days without a drawn one, and masks given as NIfTI."""

from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from flame.core.cohort import Timepoint
from flame.core.errors import BadInput
from flame.core.imaging import Sequence
from flame.federation.checkpoint import Checkpoint, checkpoint_path, save_checkpoint
from flame.federation.config import TrainConfig
from flame.federation.run_files import config_text
from flame.federation.sections import DataConfig
from flame.federation.strategies.strategy import State
from flame.io.bids import read_timepoint
from flame.io.dicom.intake import inspect_folder
from flame.io.transforms import read_transform
from flame.models.segmentation.cases import segmentation_case
from flame.models.segmentation.config import SegmentationConfig
from flame.models.segmentation.segmentation import SegmentationModel
from flame.pipelines import preprocess, segment
from flame.preprocessing.cohort.cohort import read_cohort, sessions
from tests.helpers.preprocess_config import preprocess_config

SMALL = SegmentationConfig(voxel_mm=6.0, patch=16, filters=4)


@pytest.fixture
def trained(tmp_path: Path) -> Path:
    """A run whose network calls every voxel tumour."""
    settings = TrainConfig(
        DataConfig(bids="bids", centres=("c",)), task="segmentation", segmentation=SMALL
    )
    weights = SegmentationModel(SMALL).build(0)
    weights[-1] = np.full_like(weights[-1], 50.0)  # the bias of the logits
    folder = tmp_path / "run"
    path = checkpoint_path(folder, "federated.seed-0.all")
    save_checkpoint(path, Checkpoint(20, State(weights), {"cases": np.array([3, 3, 0])}, [], True))
    (folder / "run.toml").write_text(config_text(settings))
    return folder


def test_only_days_without_a_drawn_tumour_are_predicted(trained: Path, copied: Path) -> None:
    bids = copied / "bids"
    (drawn,) = bids.glob("sub-*/ses-01/anat/*label-GTV_mask.nii.gz")
    before = drawn.read_bytes()
    for path in bids.glob("sub-*/ses-02/anat/*label-GTV*"):
        path.unlink()
    manifest = read_cohort(bids, "c", None).manifest
    (day,) = segment.run(trained, bids)
    assert day.session == "02"
    assert list(day.ml) == ["whole", "core"]  # nobody taught the enhancing tumour
    assert day.ml["whole"] > 1000  # every voxel
    assert drawn.read_bytes() == before
    (subject,) = (p.name.removeprefix("sub-") for p in bids.glob("sub-*"))
    first, second = (read_timepoint(bids, subject, s, d) for s, d in sessions(bids, subject))
    assert first.tumour is not None
    assert 1 < first.tumour.volume < 200
    assert second.tumour is not None
    assert second.tumour.volume == pytest.approx(day.ml["core"])
    assert second.predicted
    assert not first.predicted
    assert read_cohort(bids, "c", None).manifest != manifest  # a run on it is another run
    assert [d.session for d in segment.run(trained, bids)] == ["02"]  # again, by a newer model


def test_a_run_on_something_else(trained: Path, derivatives: Path) -> None:
    with pytest.raises(BadInput, match="no finished cohort"):
        segment.run(trained, trained)
    text = (trained / "run.toml").read_text().replace('"segmentation"', '"response"')
    (trained / "run.toml").write_text(text)
    with pytest.raises(BadInput, match="is a run on response"):
        segment.run(trained, derivatives)


def _first_day(bids: Path) -> Timepoint:
    (subject,) = (p.name.removeprefix("sub-") for p in bids.glob("sub-*"))
    return read_timepoint(bids, subject, "01", 0)


@pytest.mark.slow
def test_a_nifti_mask_goes_before_contours(hospital: Path, tmp_path: Path) -> None:
    dicom = hospital / "centre-1" / "dicom"
    examination, series = next(iter(inspect_folder(dicom).studies().items()))
    grid = series[Sequence.T1C].geometry
    assert grid is not None
    mask = np.zeros(grid.shape, np.uint8)
    around, index = (
        tuple(slice(n // 2 - more, n // 2 + 8 + more) for n in grid.shape) for more in (2, 0)
    )
    mask[around], mask[index] = 2, 4  # an enhancing tumour in its oedema
    tumours = tmp_path / "tumours"
    tumours.mkdir()
    given = tumours / f"{examination.patient_id}_{examination.day:%Y%m%d}.nii.gz"
    nib.Nifti1Image(mask, grid.affine).to_filename(given)
    settings = replace(preprocess_config(hospital, tmp_path / "bids"), tumours=str(tumours))
    preprocess.run(settings)
    (move,) = (tmp_path / "bids").glob("sub-*/ses-01/anat/*from-T1C_to*xfm.txt")
    expected = nib.affines.apply_affine(
        read_transform(move) @ grid.affine, np.argwhere(mask == 4).mean(axis=0)
    )
    found = nib.load(next((tmp_path / "bids").glob("sub-*/ses-01/anat/*label-GTV_mask.nii.gz")))
    inside = np.argwhere(np.asarray(found.dataobj) > 0)
    centre = nib.affines.apply_affine(found.affine, inside).mean(axis=0)
    assert np.linalg.norm(centre - expected) < 1.5  # voxels of 3 mm
    day = segmentation_case(_first_day(tmp_path / "bids"))
    assert day.known.all()
    whole, core, enhancing = (int(day.regions[..., n].sum()) for n in range(3))
    assert whole > 1.5 * core
    assert enhancing == core
    given.rename(tumours / "nobody_20200101.nii.gz")
    with pytest.raises(BadInput, match="no mask matches a day"):
        preprocess.run(settings)
