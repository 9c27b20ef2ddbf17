"""``flame demo``: all steps on simulated hospitals, from DICOM folders to the report."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from flame.core.errors import FlameError
from flame.core.progress import StageProgress, silent_stages
from flame.federation.config import TrainConfig
from flame.federation.sections import (
    DataConfig,
    FederationConfig,
    RegressionConfig,
    TrainingConfig,
)
from flame.models.response.inputs import ResponseModelConfig
from flame.pipelines import evaluate, inspect, preprocess, simulate, train
from flame.pipelines.timing import Timing
from flame.preprocessing.config import StageConfig


@dataclass(frozen=True)
class DemoConfig:
    """Size of the demonstration; the defaults take about ten minutes on two cores.

    Args:
        out: folder to write to.
        centres: number of hospitals.
        patients: patients per hospital.
        spacing: voxel size of the scanners in mm.
        imaging_days: days from the start of radiotherapy; the first is before it.
        seed: random seed.
        jobs: number of parallel processes.
        engine: engine of the federated trainings.
    """

    out: str = "flame-demo"
    centres: int = 3
    patients: int = 8
    spacing: float = 3.0
    imaging_days: tuple[int, ...] = (-10, 30)
    seed: int = 0
    jobs: int = 2
    engine: Literal["in-process", "flare"] = "flare"


@dataclass(frozen=True)
class DemoResult:
    """Result of ``flame demo``.

    Args:
        evaluation: scores and report.
        timing: wall time and memory of each stage.
    """

    evaluation: evaluate.EvaluateResult
    timing: Timing


def training_config(config: DemoConfig) -> TrainConfig:
    """Configure the training: response from early change, by a logistic regression from exact sums.

    The features are age, MGMT, and the volume of the tumour before radiotherapy with its change to
    day 30. The baseline model has only features from before radiotherapy.

    Args:
        config: size of the demonstration.

    Returns:
        The configuration of the run.
    """
    before = ("age", "mgmt")
    return TrainConfig(
        DataConfig(bids=str(Path(config.out) / "bids")),
        ResponseModelConfig(kind="logistic", clinical=(*before, "radiomics.early-change")),
        TrainingConfig(folds=2),
        FederationConfig(engine=config.engine),
        {"before radiotherapy": (*before, "core_log_ml")},
        regression=RegressionConfig(penalizer=0.1),
    )


def run(config: DemoConfig, progress: StageProgress = silent_stages) -> DemoResult:
    """Simulate, inspect, preprocess, train and evaluate; a second call continues a stopped one.

    Args:
        config: size of the demonstration.
        progress: called with the stage, its steps done and their total.

    Returns:
        The evaluation and the timing of the stages.

    Raises:
        FlameError: a day could not be preprocessed, or training failed.
    """
    out = Path(config.out)
    timing = Timing()
    names = simulate.centre_names(config.centres)
    hospitals = out / "hospitals"

    def step(stage: str) -> Callable[[int, int], None]:
        return lambda done, total: progress(stage, done, total)

    with timing.stage("simulate"):
        if not (hospitals / "truth" / names[-1] / "truth.tsv").exists():
            simulate.run(
                simulate.SimulateConfig(
                    str(hospitals),
                    config.centres,
                    config.patients,
                    config.spacing,
                    config.seed,
                    config.imaging_days,
                    config.jobs,
                ),
                step("simulate"),
            )
    with timing.stage("inspect"):
        for number, name in enumerate(names, 1):
            inspect.run(hospitals / name / "dicom")
            step("inspect")(number, len(names))
    with timing.stage("preprocess"):
        for name in names:
            results = preprocess.run(
                preprocess.PreprocessConfig(
                    str(hospitals / name / "dicom"),
                    str(out / "bids" / name),
                    StageConfig(spacing=2.0),
                    config.jobs,
                    str(hospitals / name / "clinical.tsv"),
                ),
                step(f"preprocess {name}"),
            )
            failed = [r for r in results.studies if r.status == "failed"]
            if failed:
                raise FlameError(f"{name}: {len(failed)} studies failed; {failed[0].note}")
    with timing.stage("train"):
        train.run(training_config(config), out / "run", progress)
    with timing.stage("evaluate"):
        result = evaluate.run(out / "run", step("evaluate"))
    return DemoResult(result, timing)
