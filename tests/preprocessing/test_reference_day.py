"""Days of one patient: one fit to the template, and no day but its own is lost."""

import shutil
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk

from flame.core.cohort import Timepoint
from flame.core.imaging import Sequence
from flame.io.bids import session_sidecar
from flame.preprocessing.config import StageConfig
from flame.preprocessing.reference_day import cache_folder, images_hash, reference_day
from flame.preprocessing.session import preprocess_patient
from flame.preprocessing.study import Study

CONFIG = StageConfig(spacing=4.0)
KEY = b"secret"


def study(folder: Path, timepoint: Timepoint, session: str, day: int, shift: float = 0.0) -> Study:
    """A day as NIfTI files, with the head ``shift`` mm further to the front."""
    series = {}
    for sequence, scan in timepoint.scans.items():
        affine = scan.affine.copy()
        affine[1, 3] += shift
        path = folder / f"{session}-{sequence}.nii.gz"
        nib.save(nib.Nifti1Image(scan.voxels, affine), path)
        series[sequence] = path
    brain = folder / f"{session}-brain.nii.gz"
    affine = timepoint.brain.affine.copy()
    affine[1, 3] += shift
    nib.save(nib.Nifti1Image(timepoint.brain.voxels, affine), brain)
    return Study("p", session, day, series, (), mask=str(brain))


@pytest.fixture
def days(tmp_path: Path, day_with_brain: Timepoint) -> list[Study]:
    return [
        study(tmp_path, day_with_brain, "01", -10),
        study(tmp_path, day_with_brain, "02", 30, 12.0),
    ]


def test_later_days_lie_on_the_first(days: list[Study], tmp_path: Path) -> None:
    out = tmp_path / "bids"
    results = preprocess_patient(out, days[::-1], CONFIG, KEY)
    assert [r.session for r in results] == ["02", "01"]  # in the order of the days given
    assert {r.status for r in results} == {"done"}
    assert [session_sidecar(out, "p", s)["ReferenceSession"] for s in ("01", "02")] == ["01", "01"]
    linear, transforms = [], []
    for path in sorted(out.glob("sub-p/ses-*/anat/*_from-T1C_*_xfm.txt")):
        transform = sitk.AffineTransform(sitk.ReadTransform(str(path)))
        transforms.append(transform)
        linear.append(np.reshape(transform.GetMatrix(), (3, 3)))
    turn = linear[1] @ np.linalg.inv(linear[0])
    assert np.allclose(turn @ turn.T, np.eye(3), atol=1e-6)  # both share one affine fit
    # The second head lies 12 mm further to the front (in ITK's world: at a smaller y).
    between = compose(transforms[1], transforms[0])
    assert np.allclose(between, [0, -12, 0], atol=0.5)
    assert [r.status for r in preprocess_patient(out, days, CONFIG, KEY)] == ["skipped"] * 2


def compose(later: sitk.Transform, first: sitk.Transform) -> np.ndarray:
    """Where the later day shows the middle of the template, less where the first does, in mm."""
    return np.subtract(*(t.TransformPoint((0.0, 20.0, 20.0)) for t in (later, first)))


@pytest.mark.parametrize("word", ["excluded", "accepted"])
def test_a_day_that_a_person_questioned_is_no_reference(
    days: list[Study], tmp_path: Path, word: str
) -> None:
    preprocess_patient(tmp_path, [replace(days[0], **{word: True}), days[1]], CONFIG, KEY)
    assert session_sidecar(tmp_path, "p", "01")["ReferenceSession"] == "02"


def test_a_first_day_that_fails_gives_way(days: list[Study], tmp_path: Path) -> None:
    out = tmp_path / "bids"
    broken = replace(days[0], mask=str(tmp_path / "gone.nii.gz"))
    first, second = preprocess_patient(out, [broken, days[1]], CONFIG, KEY)
    assert (first.status, second.status) == ("failed", "done")
    assert session_sidecar(out, "p", "02")["ReferenceSession"] == "02"
    again = preprocess_patient(out, days, CONFIG, KEY)  # the mask is there: all is made anew
    assert [r.status for r in again] == ["done", "done"]
    assert session_sidecar(out, "p", "02")["ReferenceSession"] == "01"


def test_a_day_of_flair_alone_is_no_reference(days: list[Study], tmp_path: Path) -> None:
    out = tmp_path / "bids"
    flair = {Sequence.FLAIR: days[0].series[Sequence.FLAIR]}
    alone = replace(days[0], series=flair, mask="")
    first, second = preprocess_patient(out, [alone, days[1]], CONFIG, KEY)
    assert (first.status, second.status) == ("done", "done"), first.note
    assert session_sidecar(out, "p", "01")["ReferenceSession"] == "02"
    (only,) = preprocess_patient(tmp_path / "other", [alone], CONFIG, KEY)
    assert only.status == "failed"
    assert "give a mask with --masks" in only.note


def test_a_reference_day_is_made_again_from_its_cache(days: list[Study], tmp_path: Path) -> None:
    out = tmp_path / "bids"
    preprocess_patient(out, days[:1], CONFIG, KEY)
    files = {p: p.stat().st_mtime_ns for p in cache_folder(out, days[0]).iterdir()}
    timepoint, fit = reference_day(out, days[0], CONFIG, KEY).load()
    assert {p: p.stat().st_mtime_ns for p in cache_folder(out, days[0]).iterdir()} == files
    assert timepoint.brain is not None
    assert np.array_equal(timepoint.brain.affine, nib.load(days[0].series[Sequence.T1C]).affine)
    assert np.linalg.det(fit["matrix"][:3, :3]) == pytest.approx(1)
    assert 0.5 < np.linalg.det(fit["to_template"][:3, :3]) < 2.0
    shutil.rmtree(cache_folder(out, days[0]))
    again = reference_day(out, days[0], CONFIG, KEY).load()[1]
    assert np.array_equal(again["to_template"], fit["to_template"])


def test_the_hash_of_a_day_knows_its_sequences(days: list[Study]) -> None:
    (one, other) = days[0].series.values()
    swapped = replace(days[0], series={Sequence.T1C: other, Sequence.FLAIR: one})
    assert images_hash(days[0], KEY) != images_hash(swapped, KEY)
    assert images_hash(days[0], KEY) == images_hash(replace(days[0], note="x"), KEY)
    assert images_hash(days[0], KEY) != images_hash(days[0], b"other")
