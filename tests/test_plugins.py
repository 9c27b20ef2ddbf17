"""Things of a user's own, each in one file outside FLAME, through the commands."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from flame.core.config import as_toml
from flame.federation.config import TrainConfig
from tests.helpers.command import flame, printed

STRATEGY = '''
from dataclasses import dataclass

from flame.core.arrays import moved
from flame.federation.strategies.strategy import STRATEGIES, State, Strategy, mean_change


@STRATEGIES.register("half-way")
@dataclass(frozen=True)
class HalfWay(Strategy):
    """Moves a part of the way to the mean of the sites."""

    part: float = 0.5

    def aggregate(self, state, updates):
        weights = moved(state.weights, mean_change(state, updates), self.part)
        return State(weights, state.memory, state.names)


STRATEGIES.register("moved")(type("Moved", (HalfWay,), {}))
'''
TASK = '''
import numpy as np

from flame.core.scores import Scored
from flame.federation.task import OutcomeTask, TaskTexts
from flame.federation.tasks.registry import TASKS
from flame.models.regression.discrimination import scored_auc
from flame.models.response.inputs import build_inputs


@TASKS.register("first-feature")
class FirstFeatureTask(OutcomeTask):
    """Predicts the response by how far the first feature lies above its mean over centres."""

    name, title, outcome = "first-feature", "First feature", "response"
    metrics = ("auc", "specificity")

    def patients(self, cohort):
        return build_inputs(cohort, self.config.model)

    def reply(self, patients, query):
        if query.name != "sums":
            raise self.unknown(query)
        values = np.concatenate([p.clinical[:, 0] for p in patients])
        return {"sum": values.sum(), "count": len(values)}

    def prepare(self, send, start):
        replies = send("sums", {})
        mean = sum(r["sum"] for r in replies) / sum(r["count"] for r in replies)
        return {"mean": np.array(mean)}

    def predict(self, patients, weights, shared):
        return 1 / (1 + np.exp(shared["mean"] - patients.clinical[:, 0]))

    def score(self, patients, weights, shared):
        return scored_auc(self.predict(patients, weights, shared), patients.response.astype(float))

    def summary(self, cohorts, patients):
        return [{"centre": p.centre, "patients": len(p.labelled)} for p in patients], []

    def texts(self):
        return TaskTexts("response", "one feature", "none", "sums of the centres", "a probability")
'''
METRIC = """
from flame.evaluation.metrics.estimates import crossed_estimate
from flame.evaluation.metrics.metric import METRICS, Measured, Metric


def specificity(tested):
    known = tested.of_known_response()
    negative = known.response < 0.5
    right = (known.predicted < known.cuts)[:, negative]
    estimate = crossed_estimate(right.astype(float), "no non-responders")
    return Measured(estimate, int(negative.sum()), 0)


METRICS.register("specificity")(Metric("Specificity", measure=specificity))
"""
LEARNER = '''
from dataclasses import dataclass

from flame.streams.learners.fine_tune import FineTune
from flame.streams.learners.learner import LEARNERS


@LEARNERS.register("lazy")
@dataclass
class Lazy(FineTune):
    """Learns from every other batch."""

    seen: int = 0

    def learn(self, batch, concept):
        self.seen += 1
        if self.seen % 2:
            super().learn(batch, concept)
'''
STAGE = """
from dataclasses import replace

from flame.preprocessing.stages.stage import STAGES, Place, Stage


@STAGES.register("negative")
def negative():
    def apply(day, estimate):
        scans = {s: scan.after("negative", -scan.voxels) for s, scan in day.scans.items()}
        return replace(day, scans=scans)

    return Stage("negative", apply, Place.INTENSITY)
"""
EVOLUTION = '''
from flame.models.evolution.model import EVOLUTION_MODELS
from flame.models.evolution.volume_baselines import VolumeBaseline


@EVOLUTION_MODELS.register("doubling")
class Doubling(VolumeBaseline):
    """The volume doubles every 100 days."""

    def ml(self, case, day):
        return case.ml(case.tumour) * 2 ** ((day - case.day) / 100)
'''


def written(folder: Path, name: str, text: str) -> Path:
    path = folder / f"{name}.py"
    path.write_text(text)
    return path


def configured(folder: Path, config: TrainConfig) -> Path:
    path = folder / "run.toml"
    path.write_text(as_toml(config))
    return path


def weights_of(run: Path, kind: str) -> list[np.ndarray]:
    with np.load(run / "models" / f"{kind}.seed-0.all.npz") as file:
        return [file[k] for k in sorted(file.files) if k.startswith("state.weights")]


@pytest.mark.slow
def test_strategy(toy: TrainConfig, tmp_path: Path) -> None:
    plugin = written(tmp_path, "half", STRATEGY)
    one = replace(toy, training=replace(toy.training, rounds=1))
    settings = ["federation.strategy=half-way", 'federation.compare=["fedavg", "moved"]']
    settings += ["federation.options.part=0.0", "federation.compare_options.moved={part=0.5}"]
    sets = [part for text in settings for part in ("--set", text)]
    out = tmp_path / "run"
    printed("train", configured(tmp_path, one), "--out", out, *sets, "--plugin", plugin)
    # After one round the half lies in the middle of the first weights and of FedAvg's.
    kinds = ("federated", "moved", "fedavg")
    for start, half, whole in zip(*(weights_of(out, kind) for kind in kinds), strict=True):
        assert np.allclose(half, (start + whole) / 2, atol=1e-6)
        assert not np.array_equal(start, whole)


def test_task_and_metric(toy: TrainConfig, tmp_path: Path) -> None:
    plugins = [written(tmp_path, "first", TASK), written(tmp_path, "specificity", METRIC)]
    given = [part for path in plugins for part in ("--plugin", path)]
    run = tmp_path / "run"
    config = configured(tmp_path, replace(toy, task="first-feature"))
    printed("train", config, "--out", run, *given)
    shown = printed("evaluate", run, *given)
    assert "federated" in shown
    table = pd.read_csv(toy.data.table)
    scores = pd.read_csv(run / "scores.csv")
    scores = scores.set_index(["model", "tested_on", "metric"]).sort_index()
    (auc,) = scores.loc[("federated leave-one-out", "a", "auc")].value
    here = table[table.centre == "a"]
    yes, no = here.x[here.response == 1].to_numpy(), here.x[here.response == 0].to_numpy()
    assert auc == pytest.approx((yes[:, None] > no).mean())  # pairs in the right order
    assert np.isfinite(scores.loc[("federated", "a", "specificity")].value).all()
    assert "First feature" in (run / "report.html").read_text()


def test_a_task_without_its_plugin_is_unknown(toy: TrainConfig, tmp_path: Path) -> None:
    config = configured(tmp_path, replace(toy, task="first-feature"))
    done = flame("train", config, "--out", tmp_path / "run")
    assert done.returncode == 2
    assert "unknown task 'first-feature'" in done.stderr


@pytest.mark.slow
def test_stream_learner(tmp_path: Path) -> None:
    plugin = written(tmp_path, "lazy", LEARNER)
    config = tmp_path / "stream.toml"
    config.write_text(
        'compare = ["local"]\nseeds = [0]\ndetectors = []\n'
        '[synthetic]\nsource = "sine"\nsamples = 40\n'
        "[schedule]\nnodes = 2\nsteps = 4\n"
        "[training]\nrounds = 2\nlocal_steps = 2\n"
        '[methods.mine]\nlearner = "lazy"\nexchange = "alone"\n'
    )
    printed("stream", config, "--out", tmp_path / "run", "--plugin", plugin, "--jobs", 2)
    summary = pd.read_csv(tmp_path / "run" / "summary.csv")
    assert set(summary.method) == {"local", "mine", "majority"}


def test_an_installed_package_is_found(tmp_path: Path) -> None:
    written(tmp_path, "half_way_package", STRATEGY)
    information = tmp_path / "half_way_package-1.0.dist-info"
    information.mkdir()
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: half-way\nVersion: 1.0\n")
    (information / "entry_points.txt").write_text("[flame.plugins]\nhalf = half_way_package\n")
    code = "import flame; print(flame.strategy('half-way').part)"
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.append({str(tmp_path)!r}); {code}"],
        capture_output=True,
        text=True,
    )
    assert done.stdout.strip() == "0.5", done.stderr


@pytest.mark.parametrize(
    ("text", "message"),
    [("import nothing_like_it", "ModuleNotFoundError"), (None, "no such file")],
)
def test_a_plugin_that_fails_is_named(tmp_path: Path, text: str | None, message: str) -> None:
    plugin = tmp_path / "broken.py"
    if text:
        plugin.write_text(text)
    config = tmp_path / "x.toml"
    config.touch()
    done = flame("train", config, "--out", "y", "--plugin", plugin)
    assert done.returncode == 2
    assert message in done.stderr
    assert "broken.py" in done.stderr.replace("\n", "")


@pytest.mark.slow
def test_stage_and_evolution_model(tmp_path: Path) -> None:
    stage, model = written(tmp_path, "stage", STAGE), written(tmp_path, "model", EVOLUTION)
    hospitals, bids = tmp_path / "hospitals", tmp_path / "bids"
    # The tumour of one patient of five vanishes, and a centre needs four with follow-up.
    printed("simulate", hospitals, "--centres", 2, "--patients", 5, "--spacing", 4, "--jobs", 2)
    plain = tmp_path / "plain"
    changed = ["--set", 'extra=["negative"]', "--plugin", stage]
    for out, centre, more in (
        (plain, "centre-1", []),
        (plain, "centre-2", []),
        (bids, "centre-1", changed),
    ):
        source = hospitals / centre
        common = ["--clinical", source / "clinical.tsv", "--spacing", 4, "--jobs", 2]
        printed("preprocess", source / "dicom", out / centre, *common, *more)
    import nibabel as nib

    (first, *_), (twin, *_) = (
        sorted(folder.rglob("*_desc-preproc_T1w.nii.gz")) or sorted(folder.rglob("*T1w*.nii.gz"))
        for folder in (plain, bids)
    )
    before, after = (np.asarray(nib.load(path).dataobj) for path in (first, twin))
    assert np.allclose(after, -before, atol=1e-3)
    config = tmp_path / "evolution.toml"
    config.write_text(
        f'task = "evolution"\n[data]\nbids = "{plain}"\n[training]\nfolds = 2\n'
        '[evolution]\nmodel = "mechanistic"\ncalibration = 2\n'
        'compare = ["persistence", "doubling"]\n'
    )
    printed("train", config, "--out", tmp_path / "run", "--plugin", model)
    printed("evaluate", tmp_path / "run", "--plugin", model)
    scores = pd.read_csv(tmp_path / "run" / "scores.csv")
    assert {"doubling", "persistence", "federated"} <= set(scores.model)
