"""``flame demo``: the whole way on simulated hospitals, from DICOM folders to the report."""

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
    """Size of the demonstration; the defaults fit ten minutes on two cores."""

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
    """The evaluation and what each stage took."""

    evaluation: evaluate.EvaluateResult
    timing: Timing


def training_config(config: DemoConfig) -> TrainConfig:
    """Early response: the change of the tumour's volume to day 30, by an exact regression.

    The baseline beside it knows what is known before radiotherapy.
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
    """Simulate, inspect, preprocess, train and evaluate; run again, it goes on where it stopped."""
    out, timing = Path(config.out), Timing()
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
