"""``flame demo``: all steps on simulated hospitals, from DICOM folders to an index of pages."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from flame.core.files import write_text
from flame.core.progress import StageProgress, of_stage, silent_stages
from flame.core.scores import GeneralisationReport
from flame.evaluation.pages import index_page
from flame.evaluation.pages.index_page import Step
from flame.evaluation.pages.sections import Cell
from flame.federation.config import TrainConfig
from flame.federation.loopback import check_loopback
from flame.federation.sections import (
    DataConfig,
    FederationConfig,
    RegressionConfig,
    TrainingConfig,
)
from flame.federation.trainings import FEDERATED
from flame.models.evolution.config import EvolutionConfig
from flame.models.response.inputs import ResponseModelConfig
from flame.pipelines import evaluate, forecast, stream, train
from flame.pipelines.demo_patients import DemoPatients, Prepared, prepare
from flame.pipelines.timing import Timing
from flame.streams.config import StreamConfig
from flame.streams.sources.mri import MRIConfig

INDEX = "index.html"
"""Name of the page that leads to all others."""
FORECAST_DAYS = (60, 120, 165)
"""Days of the forecast."""


@dataclass(frozen=True)
class DemoConfig:
    """Size of the demonstration; the defaults take about seven minutes on two cores.

    Args:
        out: folder to write to.
        patients: the simulated patients.
        jobs: number of parallel processes.
        engine: engine of the federated trainings.
        quick: whether survival, forecast and stream are left out.
    """

    out: str = "flame-demo"
    patients: DemoPatients = DemoPatients()
    jobs: int = 2
    engine: Literal["in-process", "flare"] = "flare"
    quick: bool = False


@dataclass(frozen=True)
class DemoResult:
    """Result of ``flame demo``.

    Args:
        report: scores of the model of early response.
        html: path of the index page.
        timing: wall time and memory of each stage.
    """

    report: GeneralisationReport
    html: Path
    timing: Timing


def response_config(bids: Path, engine: Literal["in-process", "flare"]) -> TrainConfig:
    """Configure early response: no progression by day 165, told from the first image of day 30.

    The model is a logistic regression from exact sums. The baseline has only features from before
    radiotherapy.

    Args:
        bids: folder of the preprocessed hospitals.
        engine: engine of the trainings.

    Returns:
        The configuration of the run.
    """
    before = ("age", "mgmt")
    return TrainConfig(
        DataConfig(bids=str(bids)),
        ResponseModelConfig(kind="logistic", clinical=(*before, "radiomics.early-change")),
        TrainingConfig(folds=2, seeds=(0, 1, 2, 3, 4)),
        FederationConfig(engine=engine),
        {"before radiotherapy": (*before, "core_log_ml")},
        regression=RegressionConfig(penalizer=0.1),
    )


def survival_config(bids: Path) -> TrainConfig:
    """Configure survival from the same features, in one process.

    Args:
        bids: folder of the preprocessed hospitals.

    Returns:
        The configuration of the run.
    """
    return replace(response_config(bids, "in-process"), task="survival", baselines={})


def evolution_config(bids: Path) -> TrainConfig:
    """Configure the forecast: the mechanistic model, calibrated on some of the patients.

    The first hospital takes no part if there are others: its patient is new to the model.

    Args:
        bids: folder of the preprocessed hospitals.

    Returns:
        The configuration of the run.
    """
    names = sorted(folder.name for folder in bids.iterdir() if folder.is_dir())
    return TrainConfig(
        DataConfig(bids=str(bids), centres=tuple(names[1:] or names)),
        training=TrainingConfig(folds=2),
        federation=FederationConfig(engine="in-process"),
        task="evolution",
        evolution=EvolutionConfig("mechanistic", calibration=2),
    )


def stream_config(seed: int) -> StreamConfig:
    """Configure a small stream: four hospitals, of which one changes its scanner.

    Args:
        seed: seed of the patients.

    Returns:
        The configuration.
    """
    mri = MRIConfig(hospitals=4, patients=60, steps=8, at=4, normalised=False)
    compare = ("local", "fedavg", "gossip", "evidence-gossip")
    return StreamConfig(mri=mri, compare=compare, seeds=(seed,))


def run(config: DemoConfig, progress: StageProgress = silent_stages) -> DemoResult:
    """Simulate, inspect, preprocess, train and evaluate; a second call continues a stopped one.

    Args:
        config: size of the demonstration.
        progress: called with the stage, its steps done and their total.

    Returns:
        The scores, the index page and the timing of the stages.

    Raises:
        FlameError: a day could not be preprocessed, or training failed.
    """
    out = Path(config.out)
    if config.engine == "flare":
        check_loopback()  # now, and not after minutes of preprocessing
    timing = Timing()
    made = prepare(out, config.patients, config.jobs, timing, progress)
    steps = list(made.steps)
    with timing.stage("response"):
        train.run(response_config(made.bids, config.engine), out / "response", progress)
        response = evaluate.run(out / "response", of_stage(progress, "evaluate"))
    steps.append(_response(response))
    if not config.quick:
        with timing.stage("survival"):
            train.run(survival_config(made.bids), out / "survival", progress)
            survival = evaluate.run(out / "survival", of_stage(progress, "evaluate survival"))
        steps.append(_survival(survival))
        with timing.stage("forecast"):
            steps.append(_forecast(out, made, progress))
        with timing.stage("stream"):
            steps.append(_stream(out, config, progress))
    text = index_page.render(
        out,
        "FLAME on simulated hospitals",
        steps,
        index_page.verdict(response.report, overall(out / "response")),
        True,
        list(_LIMITS),
        config.patients,
    )
    write_text(out / INDEX, text)
    return DemoResult(response.report, out / INDEX, timing)


_LIMITS = (
    "Everything here is simulated: it shows what FLAME does, not how well it works on patients.",
    "Of the patients of each hospital, a few are simulated as DICOM files and preprocessed; the "
    "others come from the same simulation of disease as preprocessed folders with contours, dose "
    "and plan, because a scan takes far longer to simulate than a course.",
    "Early response is easier to tell here than in patients, although tumours in the simulation "
    "react to the dose without growing, temozolomide after the image of day 30 changes what "
    "happens, and readers draw contours differently.",
)


def overall(run: Path) -> tuple[float, float, float]:
    """Return the AUC of the federated model over the patients of all hospitals, with its interval.

    Args:
        run: folder of an evaluated run on response.

    Returns:
        AUC over pairs of patients of one hospital, and the 95 % interval over all patients.
    """
    table = pd.read_csv(run / "subgroups.csv")
    (row,) = table[(table.subgroup == "all") & (table.model == FEDERATED)].to_dict("records")
    return row["auc"], row["low"], row["high"]


def _response(result: evaluate.EvaluateResult) -> Step:
    return index_page.scored_step(
        "response",
        "Early response: who will not progress?",
        "AUC by hospital, with its 95 % interval. Compare the federated model with what a hospital "
        "learns alone, and see that a hospital that took no part can use it, too. The report adds "
        "calibration, decision curves, subgroups and paired differences.",
        result.report,
        result.html,
    )


def _survival(result: evaluate.EvaluateResult) -> Step:
    return index_page.scored_step(
        "survival",
        "Survival",
        "C-index by hospital of a Cox model whose coefficients equal those on pooled patients, "
        "although only sums left the hospitals.",
        result.report,
        result.html,
    )


def _forecast(out: Path, made: Prepared, progress: StageProgress) -> Step:
    def show(stage: str, done: int, total: int) -> None:
        progress(f"models of the forecast, {stage}", done, total)

    train.run(evolution_config(made.bids), out / "evolution", show, only_whole=True)
    subject = sorted((made.preprocessed / "centre-1").glob("sub-*"))[0]
    settings = forecast.ForecastConfig(
        str(out / "evolution"), str(subject), str(out / "forecast"), days=FORECAST_DAYS
    )
    result = forecast.run(settings, of_stage(progress, "forecast"))
    return Step(
        "forecast",
        "Forecast of one patient under photons, protons and carbon ions",
        "The volume to come with a 90 % band, by a model of the other hospitals. Look at whether "
        "the bands of the radiations overlap: where they do, the difference is smaller than what "
        "the model does not know.",
        {"Forecast": result.html},
        ["radiation", *(f"ml on day {day}" for day in FORECAST_DAYS)],
        _volumes(result.volumes),
    )


def _stream(out: Path, config: DemoConfig, progress: StageProgress) -> Step:
    result = stream.run(stream_config(config.patients.seed), out / "stream", progress, config.jobs)
    return Step(
        "stream",
        "A hospital changes its scanner",
        "Accuracy over time of methods with and without a server, from step 4 on with another "
        "scanner at one hospital. Look at which method recovers there without harm to the others.",
        {"Stream": result.html},
    )


def _volumes(table: pd.DataFrame) -> list[list[str | Cell]]:
    rows: list[list[str | Cell]] = []
    for radiation, part in table.groupby("radiation", sort=False):
        found = zip(part.median_ml, part.low_ml, part.high_ml, strict=True)
        cells = [
            Cell(
                f"{middle:.1f}",
                f"{low:.1f} to {high:.1f}" if np.isfinite(high) else f"from {low:.1f}",
            )
            for middle, low, high in found
        ]
        rows.append([str(radiation), *cells])
    return rows
