"""Masks and evolution on FLARE: bit for bit what in-process training gives, from files on disk."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from flame.core.cohort import Timepoint
from flame.core.imaging import DoseMap, LabelMap, Scan, Sequence
from flame.federation.checkpoint import finished
from flame.federation.config import TrainConfig
from flame.federation.sections import DataConfig, FederationConfig, TrainingConfig
from flame.federation.trainings import FEDERATED, joint_trainings
from flame.io.bids import SessionFiles, write_dataset_description, write_session
from flame.models.evolution.config import EvolutionConfig
from flame.models.segmentation.config import SegmentationConfig
from flame.pipelines import evaluate, train

SIDE, SPACING = 40, 3.0
AFFINE = np.diag([SPACING, SPACING, SPACING, 1.0])
AFFINE[:3, 3] = (-30.0, -60.0, -20.0)


def ball(radius_mm: float) -> np.ndarray:
    index = (np.indices((SIDE,) * 3) - (SIDE - 1) / 2) * SPACING
    return (index**2).sum(axis=0) < radius_mm**2


def write_centre(root: Path, patients: int, radiation: str) -> None:
    """Balls that grow, under a uniform dose; images bright within them."""
    rng = np.random.default_rng(len(root.name))
    for n in range(patients):
        subject = f"{root.name[-1]}{n}"
        for session, (day, radius) in enumerate(((-10, 12.0 + n), (60, 15.0 + n)), 1):
            mask = ball(radius)
            scans = {
                s: Scan((rng.normal(size=mask.shape) + 2 * mask).astype(np.float32), AFFINE, s)
                for s in (Sequence.T1C, Sequence.FLAIR)
            }
            timepoint = Timepoint(
                day,
                scans,
                LabelMap(np.ones(mask.shape, np.uint8), AFFINE),
                LabelMap(mask.astype(np.uint8), AFFINE),
                DoseMap(np.full(mask.shape, 60, np.float32), AFFINE, True),
            )
            sidecar = {"Day": day, "InputHash": f"{subject}{day}", "SourceSeries": []}
            write_session(
                root,
                subject,
                f"{session:02d}",
                SessionFiles(timepoint),
                sidecar,
            )
    write_dataset_description(root, root.name, True)
    names = [f"{root.name[-1]}{n}" for n in range(patients)]
    (root / "participants.tsv").write_text(
        "participant_id\tmgmt\n" + "".join(f"sub-{s}\t{n % 2}\n" for n, s in enumerate(names))
    )
    (root / "treatments.tsv").write_text(
        "patient_id\tradiation\tdose\tfractions\tstart_day\tbiological\n"
        + "".join(f"{s}\t{radiation}\t60\t30\t0\t1\n" for s in names)
    )


@pytest.mark.flare
@pytest.mark.slow
@pytest.mark.parametrize("task", ["segmentation", "evolution"])
def test_flare_gives_what_in_process_gives(task: str, tmp_path: Path) -> None:
    write_centre(tmp_path / "bids" / "centre-a", 4, "photon")
    write_centre(tmp_path / "bids" / "centre-b", 4, "carbon")
    config = TrainConfig(
        DataConfig(bids=str(tmp_path / "bids")),
        training=TrainingConfig(rounds=2, folds=2),
        task=task,
        evolution=EvolutionConfig(steps=4, batch_size=2, filters=4, calibration=2),
        segmentation=SegmentationConfig(voxel_mm=3.0, patch=16, filters=4, steps=4),
    )
    result = train.run(config, tmp_path / "here")
    on_flare = replace(config, federation=FederationConfig(engine="flare"))
    train.run(on_flare, tmp_path / "flare")
    for training in joint_trainings(FEDERATED, ("centre-a", "centre-b"), (0,), 2):
        here, there = (finished(tmp_path / run, training.name) for run in ("here", "flare"))
        for a, b in zip(here.state.weights, there.state.weights, strict=True):
            assert np.array_equal(a, b), training.name
        assert here.shared.keys() == there.shared.keys()
        for name in here.shared:
            assert np.array_equal(here.shared[name], there.shared[name]), name
    if task == "evolution":
        assert any("confounded" in w for w in result.warnings)
    evaluated = evaluate.run(tmp_path / "here")
    assert {s.metric for s in evaluated.report.scores} >= {"dice", "hd95"}
    html = evaluated.html.read_text()
    assert "Simulated patients" in html
    assert "<svg" in html
