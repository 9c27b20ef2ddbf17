"""Interrupted, repeated, changed, crowded and starved runs."""

import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from flame.core.errors import BadInput, FlameError
from flame.core.files import locked
from flame.io.bids import session_sidecar
from flame.pipelines.preprocess import PreprocessConfig, run
from flame.preprocessing.cohort.cohort import at_spacing, read_cohort
from flame.preprocessing.config import StageConfig
from flame.preprocessing.stages.brain_extraction import BRAIN_METHODS
from flame.preprocessing.stages.deepbet_brain import deepbet_brain
from tests.helpers.preprocess_config import preprocess_config

STAGES = (
    "bias_field",
    "coregistration",
    "brain_extraction",
    "patient_registration",
    "atlas_registration",
)


def cached(out: Path) -> dict[str, int]:
    """Time of change of each cached estimate, by stage and day."""
    found = {}
    for path in sorted(out.glob(".cache/*/*/*.npz")):
        found[f"{path.name.rsplit('-', 1)[0]} {path.parent.name}"] = path.stat().st_mtime_ns
    return found


def redone(before: dict[str, int], after: dict[str, int]) -> set[str]:
    assert before.keys() == after.keys()
    return {name.split()[0] for name in before if before[name] != after[name]}


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"spacing": 4.0}, set()),
        pytest.param({"intensity": "percentile"}, set(), marks=pytest.mark.slow),
        ({"brain": "hd-bet"}, set(STAGES[2:])),
        pytest.param({"bias_field": "none"}, set(STAGES) - {"bias_field"}, marks=pytest.mark.slow),
    ],
)
def test_a_changed_parameter_redoes_exactly_what_it_touches(
    copied: Path,
    change: dict[str, object],
    expected: set[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # HD-BET is no part of the tests' environment, and where the brain comes from is all the same.
    monkeypatch.setitem(BRAIN_METHODS._entries, "hd-bet", deepbet_brain)
    before = cached(copied / "bids")
    assert {name.split()[0] for name in before} == set(STAGES)
    stages = StageConfig(**{"spacing": 3.0, **change})
    result = run(preprocess_config(copied, copied / "bids", stages=stages))
    assert [r.status for r in result.studies] == ["done", "done"]
    assert redone(before, cached(copied / "bids")) == expected


def test_nothing_changed_estimates_and_writes_nothing(
    copied: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flame.preprocessing.study.read_source", None)  # no image is even read
    before = {p: p.stat().st_mtime_ns for p in (copied / "bids").rglob("*.nii.gz")}
    result = run(preprocess_config(copied, copied / "bids"))
    assert [r.status for r in result.studies] == ["skipped", "skipped"]
    assert before == {p: p.stat().st_mtime_ns for p in (copied / "bids").rglob("*.nii.gz")}


def arrays(out: Path) -> dict[str, np.ndarray]:
    found = {}
    for path in sorted(out.rglob("anat/*.nii.gz")):
        found[path.name.split("_", 1)[1]] = np.asarray(nib.load(path).dataobj)
    return found


def differences(a: Path, b: Path) -> dict[str, float]:
    """Largest difference of each image that is not equal to the last bit; all are there."""
    first, second = arrays(a), arrays(b)
    assert first.keys() == second.keys()
    found = {n: float(np.abs(first[n].astype(float) - second[n]).max()) for n in first}
    return {name: value for name, value in found.items() if value}


def command(hospital: Path, out: Path) -> list[str]:
    centre = hospital / "centre-1"
    return [
        sys.executable,
        "-m",
        "flame.cli",
        "preprocess",
        str(centre / "dicom"),
        str(out),
        "--spacing",
        "3",
        "--clinical",
        str(centre / "clinical.tsv"),
    ]


def test_killed_in_the_middle_of_a_case_it_resumes_to_the_same_result(
    hospital: Path, derivatives: Path, tmp_path: Path
) -> None:
    out = tmp_path / "bids"
    process = subprocess.Popen(command(hospital, out), stderr=subprocess.DEVNULL)
    while not list(out.glob(".cache/*/01/coregistration-*")):
        assert process.poll() is None, "it ended before it could be killed"
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    kept = cached(out)
    assert not (out / "participants.tsv").exists()
    with pytest.raises(BadInput, match="no finished cohort"):
        read_cohort(out, "c", None)
    assert [r.status for r in run(preprocess_config(hospital, out)).studies] == ["done", "done"]
    assert kept.items() <= cached(out).items()  # what was estimated was not done again
    assert differences(derivatives, out) == {}


def _small_files() -> None:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (120_000, 120_000))


@pytest.mark.slow
def test_no_space_left_stops_the_run_and_leaves_no_half_file(
    hospital: Path, tmp_path: Path
) -> None:
    # A limit on the size of a file fails a write as a full disk does.
    out = tmp_path / "bids"
    done = subprocess.run(
        command(hospital, out),
        preexec_fn=_small_files,
        capture_output=True,
        text=True,
        env={**os.environ, "NUMBA_DISABLE_CACHING": "1"},
    )
    assert done.returncode == 1
    assert "File too large" in done.stderr
    assert "Traceback" not in done.stderr
    assert not list(out.glob("sub-*/ses-*"))
    assert not list(out.glob(".partial-*"))
    assert not [p for p in out.rglob(".*") if p.name[1:2].isdigit()]
    assert [r.status for r in run(preprocess_config(hospital, out)).studies] == ["done", "done"]


def test_a_second_run_on_the_same_output_waits_for_nobody(copied: Path) -> None:
    before = arrays(copied / "bids")
    with locked(copied / "bids" / ".lock"), pytest.raises(FlameError, match="another run is"):
        run(preprocess_config(copied, copied / "bids"))
    assert arrays(copied / "bids").keys() == before.keys()


@pytest.mark.slow
def test_workers_of_a_dask_cluster_give_the_same(
    hospital: Path, derivatives: Path, tmp_path: Path
) -> None:
    distributed = pytest.importorskip("distributed", reason="the extra dask is not installed")
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address=None
    ) as cluster:
        out = tmp_path / "bids"
        result = run(preprocess_config(hospital, out, scheduler=cluster.scheduler_address))
    assert [r.status for r in result.studies] == ["done", "done"]
    assert differences(derivatives, out) == {}


def test_no_scheduler_at_the_address_says_so(copied: Path) -> None:
    with pytest.raises(BadInput, match="no Dask scheduler at tcp://127.0.0.1:9"):
        run(preprocess_config(copied, copied / "new", scheduler="tcp://127.0.0.1:9"))


def test_decisions_are_obeyed(copied: Path) -> None:
    bids = copied / "bids"
    subject = next(bids.glob("sub-*")).name
    header = "participant_id\tsession_id\tdecision\n"
    (bids / "decisions.tsv").write_text(header + f"{subject}\tses-02\texclude\n")
    (patient,) = read_cohort(bids, "c", at_spacing(6.0)).patients
    assert [t.day for t in patient.timepoints] == [-10]
    (bids / "decisions.tsv").write_text(header + f"{subject}\tn/a\texclude\n")
    assert not read_cohort(bids, "c", None).patients
    (bids / "decisions.tsv").write_text(header + f"{subject}\t2\texclude\n")  # a spreadsheet's 02
    assert len(read_cohort(bids, "c", at_spacing(6.0)).patients[0].timepoints) == 1
    (warning,) = run(preprocess_config(copied, bids)).warnings
    assert "name the day" in warning
    (bids / "decisions.tsv").write_text(
        header.replace("\n", "\tday\n") + f"{subject}\tses-02\texclude\t61\n"
    )
    with pytest.raises(BadInput, match="ses-02 is now day 60, not day 61"):
        read_cohort(bids, "c", at_spacing(6.0))
    (bids / "decisions.tsv").write_text(header + f"{subject}\tses-09\texclude\n")
    assert "the cohort has no such day" in run(preprocess_config(copied, bids)).warnings[-1]
    (bids / "decisions.tsv").write_text(header + f"{subject}\tses-01\tremove\n")
    with pytest.raises(BadInput, match="line 2: unknown decision 'remove'"):
        read_cohort(bids, "c", None)


def test_a_day_that_failed_its_checks_can_be_accepted(
    copied: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flame.preprocessing.quality.checks.BRAIN_ML", (10.0, 20.0))
    (copied / "new").mkdir()
    first = run(preprocess_config(copied, copied / "new"))
    assert [r.status for r in first.studies] == ["failed", "failed"]
    assert "outside 10 to 20 ml" in first.studies[0].note
    assert first.studies[0].brain_ml > 1000
    page = first.html.read_text()
    assert "outside 10 to 20 ml" in page
    assert page.count('src="data:image/jpeg;base64,') == 2  # what failed can be looked at
    subject = first.studies[0].subject
    (copied / "new" / "decisions.tsv").write_text(
        f"participant_id\tsession_id\tdecision\nsub-{subject}\tses-01\taccept\n"
    )
    second = run(preprocess_config(copied, copied / "new"))
    assert [r.status for r in second.studies] == ["done", "failed"]
    assert second.studies[0].quality == "fail"


@pytest.mark.slow
def test_treatments_and_masks_from_tables_and_folders(copied: Path, derivatives: Path) -> None:
    centre, bids = copied / "centre-1", copied / "new"
    (centre / "treatments.tsv").write_text(
        "patient_id\tradiation\tdose\tfractions\nSIM-1-001\tcarbon\t66\t22\n"
    )
    (centre / "masks").mkdir()
    with pytest.raises(BadInput, match="no mask matches a day"):
        run(preprocess_config(copied, bids, masks=str(centre / "masks")))
    day = next(p.name for p in sorted((centre / "dicom/SIM-1-001").iterdir()))
    native = StageConfig(spacing=3.0, native=True)
    run(preprocess_config(copied, bids, stages=native))
    (found,) = bids.rglob("*ses-01_ce-gad_space-orig_desc-brainT1w_mask.nii.gz")
    (centre / "masks" / f"SIM-1-001_{day}.nii.gz").write_bytes(found.read_bytes())
    result = run(
        preprocess_config(
            copied,
            bids,
            stages=native,
            masks=str(centre / "masks"),
            treatments=str(centre / "treatments.tsv"),
        )
    )
    # The first day is the reference day: its new brain moves the second one, too.
    assert [r.status for r in result.studies] == ["done", "done"]
    (patient,) = read_cohort(bids, "c", None).patients
    assert [(p.radiation, p.dose, p.fractions) for p in patient.treatment.phases] == [
        ("carbon", 66.0, 22)
    ]


def test_native_scans_keep_their_own_grids(copied: Path) -> None:
    bids = copied / "bids"
    run(preprocess_config(copied, bids, stages=StageConfig(spacing=3.0, native=True)))
    (t1c,) = bids.rglob("*ses-01_ce-gad_space-orig_desc-preproc_T1w.nii.gz")
    scans = sorted(bids.rglob("*ses-01_*space-orig_desc-preproc_*.nii.gz"))
    assert t1c in scans
    assert len(scans) == len(list(bids.rglob("*ses-01_*space-orig_desc-brain*_mask.nii.gz")))
    volumes = []
    for path in scans:
        stem, suffix = path.name.removesuffix(".nii.gz").split("desc-preproc_")
        image = nib.load(path)
        brain = nib.load(path.with_name(f"{stem}desc-brain{suffix}_mask.nii.gz"))
        assert image.shape == brain.shape
        assert np.allclose(image.affine, brain.affine)
        inside = np.asarray(brain.dataobj) > 0
        assert (image.get_fdata()[~inside] > 0).any()  # not masked
        volumes.append(inside.sum() * abs(np.linalg.det(image.affine[:3, :3])) / 1000)
    assert max(volumes) < 1.05 * min(volumes)  # one brain, on the grid of each scan
    (patient,) = read_cohort(bids, "c", at_spacing(6.0)).patients
    assert [t.day for t in patient.timepoints] == [-10, 60]  # each once
    assert patient.timepoints[0].scans  # and not mistaken for the atlas space


def test_a_bids_data_set_of_somebody_else_is_left_alone(copied: Path) -> None:
    (copied / "raw" / "sub-01" / "ses-01").mkdir(parents=True)
    (copied / "raw" / "dataset_description.json").write_text("{}")
    with pytest.raises(BadInput, match="that FLAME did not make"):
        run(preprocess_config(copied, copied / "raw"))
    assert (copied / "raw" / "sub-01" / "ses-01").exists()


def test_a_damaged_estimate_is_made_again(copied: Path) -> None:
    path = next((copied / "bids").glob(".cache/*/01/coregistration-*.npz"))
    whole = path.read_bytes()
    path.write_bytes(b"")
    run(preprocess_config(copied, copied / "bids", stages=StageConfig(spacing=4.0)))
    assert len(path.read_bytes()) == len(whole)


def test_output_passes_the_bids_validator(derivatives: Path) -> None:
    tool = Path(sys.executable).with_name("bids-validator-deno")
    if not tool.exists():
        pytest.skip("bids-validator-deno is not installed")
    done = subprocess.run([tool, str(derivatives)], capture_output=True, text=True)
    assert "[ERROR]" not in done.stdout
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
def test_another_template_is_named_in_the_output(copied: Path) -> None:
    from nilearn import datasets

    path = copied / "other.nii.gz"
    nib.save(datasets.load_mni152_template(2), path)
    stages = StageConfig(spacing=4.0, template=str(path), space="Other")
    out = copied / "new"
    result = run(preprocess_config(copied, out, stages=stages))
    assert [r.status for r in result.studies] == ["done", "done"]
    assert len(list(out.rglob("*space-Other_desc-brain_mask.nii.gz"))) == 2
    assert session_sidecar(out, result.studies[0].subject, "01")["Parameters"]
    assert pd.read_csv(out / "quality.tsv", sep="\t").quality.tolist() == ["pass", "pass"]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"spacing": 0.1}, "spacing must be 0.5 or more, not 0.1"),
        ({"brain": "deepbat"}, "did you mean 'deepbet'"),
        ({"intensity": "z-score"}, "did you mean 'zscore'"),
        ({"intensity": "nyul"}, "flame harmonise writes the file"),
        ({"registration": "ants"}, "unknown registration method"),
        ({"template": "x.nii.gz"}, "name its space too"),
        ({"template": "x.nii.gz", "space": "SRI24"}, "x.nii.gz is no readable NIfTI"),
        ({"space": "a_b"}, "letters and digits only"),
        ({"space": "SRI24"}, "give its template too"),
    ],
)
def test_wrong_settings_say_what_is_right(settings: dict[str, object], message: str) -> None:
    with pytest.raises(BadInput, match=message):
        PreprocessConfig("d", "o", StageConfig(**settings))
