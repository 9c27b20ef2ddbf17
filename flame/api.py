"""FLAME from Python: the functions behind the commands.

Example:
    ::

        import flame

        flame.simulate("hospitals", centres=3, patients=8)
        flame.preprocess("hospitals/centre-1/dicom", "bids/centre-1", spacing=2.0)
        config = flame.load_config("run.toml", "training.rounds=10")
        flame.train(config, "runs/response")
        print(flame.evaluate("runs/response").report.scores[0])
"""

from collections.abc import Iterable
from dataclasses import fields, replace
from os import PathLike
from pathlib import Path
from typing import Any

from flame.bundles.bundle import About
from flame.bundles.model import Model, open_model
from flame.core.cohort import Cohort
from flame.core.config import build
from flame.core.config import load_config as read_config
from flame.core.plugins import load_plugins
from flame.core.progress import Progress, StageProgress, silent, silent_stages
from flame.federation.config import TrainConfig
from flame.federation.strategies.strategy import Strategy, open_strategy
from flame.io.dicom.intake import ImportReport, inspect_folder
from flame.pipelines.evaluate import EvaluateResult
from flame.pipelines.forecast import ForecastConfig, ForecastResult
from flame.pipelines.predict import OutcomePredictions, predict_outcomes
from flame.pipelines.preprocess import PreprocessConfig, PreprocessResult
from flame.pipelines.simulate import SimulateConfig
from flame.pipelines.stream import StreamResult
from flame.pipelines.train import TrainResult
from flame.pipelines.validate import ValidateResult
from flame.preprocessing.config import StageConfig
from flame.streams.config import StreamConfig

FilePath = str | PathLike[str]
_PREPROCESS_KEYS = {f.name for f in fields(PreprocessConfig)} - {"dicom", "out", "stages"}


def load_config(
    path: FilePath | None = None, *overrides: str, plugins: Iterable[FilePath] = ()
) -> TrainConfig:
    """Read the configuration of a training run.

    Args:
        path: a TOML file; None: defaults and ``overrides`` alone.
        *overrides: ``key.sub=value``, such as ``"training.rounds=10"``.
        plugins: Python files that register plug-ins.

    Returns:
        The configuration, with defaults for absent keys.

    Raises:
        BadInput: a file is missing or invalid, or keys are unknown or values wrong, which the
            message lists one a line.
    """
    load_plugins(Path(p) for p in plugins)
    return read_config(TrainConfig, Path(path) if path else None, list(overrides))


def load_stream_config(
    path: FilePath | None = None, *overrides: str, plugins: Iterable[FilePath] = ()
) -> StreamConfig:
    """Read the configuration of a stream run; arguments and errors are those of ``load_config``."""
    load_plugins(Path(p) for p in plugins)
    return read_config(StreamConfig, Path(path) if path else None, list(overrides))


def inspect_dicom(folder: FilePath, progress: Progress = silent) -> ImportReport:
    """List the content of a DICOM folder, and what is refused and why, from headers alone.

    Args:
        folder: a folder of DICOM files.
        progress: called with files read and the total.

    Returns:
        Series with their verdicts, radiotherapy objects, and files that were skipped.
    """
    return inspect_folder(Path(folder), progress)


def preprocess(
    dicom: FilePath, out: FilePath, progress: Progress = silent, **options: Any
) -> PreprocessResult:
    """Convert a DICOM folder to BIDS derivatives; a second call skips finished days.

    Args:
        dicom: a folder of DICOM files.
        out: the folder of BIDS derivatives.
        progress: called with days done and the total.
        **options: ``jobs``, ``clinical``, ``treatments``, ``key``, ``sequences``, ``masks``,
            ``tumours`` and ``scheduler`` as of ``flame preprocess``, and parameters of the stages
            such as ``spacing=1.0``.

    Returns:
        Results of all days, warnings, and the quality report.

    Raises:
        BadInput: an option is unknown, or the folder cannot be used.
    """
    from flame.pipelines import preprocess as pipeline

    chosen = {name: options.pop(name) for name in _PREPROCESS_KEYS & options.keys()}
    values: Any = {n: str(v) if isinstance(v, PathLike) else v for n, v in chosen.items()}
    stages = build(StageConfig, options, "options")
    config = PreprocessConfig(str(dicom), str(out), stages, **values)
    return pipeline.run(config, progress)


def load_cohort(config: TrainConfig, centre: str) -> Cohort:
    """Read the patients of one centre as a run sees them.

    Args:
        config: the configuration of the run.
        centre: name of the centre.

    Returns:
        The patients, with the images that the task of the run needs.

    Raises:
        BadInput: the centre cannot be read.
    """
    from flame.federation.tasks import cohorts

    return cohorts.load_cohort(config, centre)


def train(
    config: TrainConfig, out: FilePath, progress: StageProgress = silent_stages
) -> TrainResult:
    """Train local, federated and pooled models; a killed run continues where it stopped.

    Args:
        config: the configuration of the run.
        out: the run folder.
        progress: called with the kind of model, steps done and the total.

    Returns:
        The run folder, counts by centre, and warnings.

    Raises:
        BadInput: the configuration, the data or ``out`` cannot be used; nothing is written.
        FlameError: training failed.
    """
    from flame.pipelines import train as pipeline

    return pipeline.run(config, Path(out), progress)


def evaluate(run: FilePath, progress: Progress = silent) -> EvaluateResult:
    """Evaluate the models of a run at every centre; write tables and report.html.

    Args:
        run: a run folder.
        progress: called with models done and the total.

    Returns:
        The scores, and the paths of scores.csv and report.html.

    Raises:
        BadInput: training has not finished, or the data have changed since.
    """
    from flame.pipelines import evaluate as pipeline

    return pipeline.run(Path(run), progress)


def predict(
    model: FilePath, patients: FilePath, out: FilePath, progress: Progress = silent, **options: Any
) -> ForecastResult | OutcomePredictions:
    """Predict the outcome of new patients, or forecast a patient's tumour under each radiation.

    Args:
        model: a bundle of ``flame export``, or a run folder.
        patients: a table, a preprocessed centre, or a folder ``sub-..`` of one; forecasts need the
            last.
        out: the folder to write to.
        progress: called with steps done and the total.
        **options: of forecasts: ``radiations``, ``days``, ``response``, ``dicom`` and ``key`` as of
            ``flame predict``.

    Returns:
        Volumes in ml by radiation and day, the probability of response, warnings, and paths; or
        the predicted outcomes.

    Raises:
        BadInput: the message names the missing input.
    """
    opened = open_model(Path(model))
    if opened.task.outcome:
        return predict_outcomes(opened, Path(patients), Path(out), progress)
    from flame.pipelines import forecast as pipeline

    config = replace(ForecastConfig(str(model), str(patients), str(out)), **options)
    return pipeline.run(config, progress)


def load_model(path: FilePath) -> Model:
    """Open a model for predictions.

    Args:
        path: a bundle of ``flame export``, or a run folder.

    Returns:
        The model, with its ``task``, ``config``, and the weights of each seed.

    Raises:
        BadInput: there is no model, or the bundle is damaged.
    """
    return open_model(Path(path))


def export(run: FilePath, out: FilePath, **about: str) -> list[Path]:
    """Write the model of a run as a bundle without patient data.

    Args:
        run: a finished run folder.
        out: new folder, or one that holds a bundle.
        **about: ``name``, ``version``, ``licence``, ``authors`` and ``use`` as of ``flame export``.

    Returns:
        Paths of the files of the bundle.
    """
    from flame.pipelines import export as pipeline

    return pipeline.run(Path(run), Path(out), About(**about))


def validate(
    model: FilePath,
    cohort: FilePath,
    out: FilePath,
    compare: Iterable[FilePath] = (),
    overrides: Iterable[str] = (),
    progress: Progress = silent,
) -> ValidateResult:
    """Validate a model on new patients with known outcomes; nothing is trained.

    Args:
        model: a bundle of ``flame export``, or a run folder.
        cohort: a table with outcomes, or a preprocessed centre.
        out: the folder to write to.
        compare: further models on the same outcome.
        overrides: ``data.key=value``, such as ``data.id_column=subject``.
        progress: called with steps done and the total.

    Returns:
        The figures, the verdict in words, warnings, and the path of the page.
    """
    from flame.pipelines import validate as pipeline

    others = [Path(path) for path in compare]
    return pipeline.run(Path(model), Path(cohort), Path(out), others, list(overrides), progress)


def run_stream(
    config: StreamConfig, out: FilePath, jobs: int = 1, progress: StageProgress = silent_stages
) -> StreamResult:
    """Compare methods on streams that drift, test-then-train; write stream.html.

    Args:
        config: the configuration of the stream.
        out: the run folder.
        jobs: number of parallel processes.
        progress: called with the stage, methods and seeds done, and the total.

    Returns:
        Figures by method, the accuracy of every step, and the path of stream.html.

    Raises:
        BadInput: the configuration or ``out`` cannot be used.
    """
    from flame.pipelines import stream as pipeline

    return pipeline.run(config, Path(out), progress, jobs)


def simulate(out: FilePath, progress: Progress = silent, **options: Any) -> Path:
    """Write simulated hospitals as DICOM folders, and their true tumours.

    Args:
        out: a new folder.
        progress: called with patients done and the total.
        **options: ``centres``, ``patients``, ``spacing``, ``seed``, ``imaging_days`` and ``jobs``.

    Returns:
        The folder.

    Raises:
        BadInput: an option is out of range, or the folder holds other files.
    """
    from flame.pipelines import simulate as pipeline

    return pipeline.run(replace(SimulateConfig(str(out)), **options), progress)


def strategy(name: str, **options: Any) -> Strategy:
    """Open an aggregation strategy by its name.

    Args:
        name: name of the strategy.
        **options: options of the strategy.

    Returns:
        The strategy; its ``aggregate(state, updates)`` returns the next state.

    Raises:
        BadInput: the name or an option is unknown, or out of range.

    Example:
        >>> import numpy as np
        >>> from flame.core.scores import Update
        >>> from flame.federation.strategies.strategy import State
        >>> sites = [Update("a", [np.array([1.0])], 10, 0.0, 0.0),
        ...          Update("b", [np.array([4.0])], 30, 0.0, 0.0)]
        >>> float(strategy("fedavg").aggregate(State([np.zeros(1)]), sites).weights[0][0])
        3.25
    """
    return open_strategy(name, options, learning_rate=0.01)
