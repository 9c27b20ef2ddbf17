"""Diffusion and perfusion maps: moved on to the day, or left out without harm."""

from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from flame.core.cohort import Patient, Timepoint
from flame.core.imaging import MAPS, LabelMap, Scan, Sequence
from flame.io.bids import read_timepoint
from flame.preprocessing.cohort.radiomics import expanded, measured
from flame.preprocessing.config import StageConfig
from flame.preprocessing.parametric_maps import with_maps
from flame.preprocessing.session import preprocess_patient
from flame.preprocessing.study import Study


def moved_map(scan: Scan, mm: float) -> Scan:
    """A map that shows the head in other values, ``mm`` further to the right."""
    affine = scan.affine.copy()
    affine[0, 3] += mm
    values = 3000 - scan.voxels / scan.voxels.max() * 2000
    return Scan(values.astype(np.float32), affine, Sequence.ADC)


def test_a_map_lands_on_the_day_with_mean_0_and_deviation_1(day_with_brain: Timepoint) -> None:
    fixed = day_with_brain.scans[Sequence.T1C]
    maps = {Sequence.ADC: moved_map(fixed, 9.0)}
    day, notes = with_maps(day_with_brain, maps, fixed, np.eye(4), "flame")
    assert notes == []
    inside = day.brain.voxels > 0
    found = day.scans[Sequence.ADC].voxels[inside]
    # The map falls as the scan rises, so in place their correlation is -1.
    assert np.corrcoef(found, fixed.voxels[inside])[0, 1] < -0.98
    assert found.mean() == pytest.approx(0, abs=1e-4)
    assert found.std() == pytest.approx(1, abs=1e-4)


def test_a_map_that_does_not_fit_is_left_out_by_name(day_with_brain: Timepoint) -> None:
    fixed = day_with_brain.scans[Sequence.T1C]
    whole = moved_map(fixed, 0.0)
    half = replace(whole, voxels=whole.voxels[:, :, : whole.voxels.shape[2] // 2].copy())
    rng = np.random.default_rng(0)
    noise = replace(whole, voxels=rng.random(whole.voxels.shape, np.float32), sequence=MAPS[1])
    maps = {Sequence.ADC: half, Sequence.RCBV: noise}
    day, notes = with_maps(day_with_brain, maps, fixed, np.eye(4), "flame")
    assert day.scans.keys() == day_with_brain.scans.keys()
    assert notes[0].startswith("ADC left out: it covers only")
    assert notes[1].startswith("RCBV left out: ")


def test_a_day_with_a_bad_map_is_done_once_and_a_good_one_is_measured(
    tmp_path: Path, day_with_brain: Timepoint
) -> None:
    fixed = day_with_brain.scans[Sequence.T1C]
    good = moved_map(fixed, 5.0)
    noise = np.random.default_rng(0).random(fixed.voxels.shape, np.float32)
    images = {Sequence.T1C: fixed, Sequence.ADC: good, Sequence.RCBV: replace(good, voxels=noise)}
    series = {}
    for name, scan in images.items():
        series[name] = tmp_path / f"{name}.nii.gz"
        nib.save(nib.Nifti1Image(scan.voxels, scan.affine), series[name])
    brain = tmp_path / "brain.nii.gz"
    nib.save(nib.Nifti1Image(day_with_brain.brain.voxels, day_with_brain.brain.affine), brain)
    study = Study("p", "01", 0, series, (), mask=str(brain))
    config = StageConfig(spacing=4.0)
    (first,) = preprocess_patient(tmp_path / "bids", [study], config, b"secret")
    assert first.status == "done"
    assert "RCBV left out" in first.note
    (again,) = preprocess_patient(tmp_path / "bids", [study], config, b"secret")
    assert again.status == "skipped"
    read = read_timepoint(tmp_path / "bids", "p", "01", 0, tuple(Sequence))
    assert set(read.scans) == {Sequence.T1C, Sequence.ADC}
    tumour = np.zeros(read.brain.voxels.shape, np.uint8)
    tumour[read.brain.voxels > 0] = np.arange(int((read.brain.voxels > 0).sum())) % 7 == 0
    day = replace(read, tumour=LabelMap(tumour, read.brain.affine))
    patient = measured(("maps",))(Patient("p", (day,)))
    assert set(patient.clinical) == set(expanded(["radiomics.maps"]))
    inside = read.scans[Sequence.ADC].voxels[tumour > 0].astype(float)
    assert patient.clinical["ADC_core_mean"] == pytest.approx(inside.mean())
    assert np.isnan(patient.clinical["RCBV_core_mean"])
