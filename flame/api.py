"""FLAME from Python: the pieces that the commands use.

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

from flame.core.cohort import Cohort
from flame.core.config import build
from flame.core.config import load_config as read_config
from flame.core.plugins import load_plugins
from flame.core.progress import Progress, StageProgress, silent, silent_stages
from flame.federation.config import TrainConfig
from flame.federation.strategies.strategy import Strategy, open_strategy
from flame.io.dicom.intake import ImportReport, inspect_folder
from flame.pipelines.evaluate import EvaluateResult
from flame.pipelines.predict import PredictConfig, PredictResult
from flame.pipelines.preprocess import PreprocessConfig, PreprocessResult
from flame.pipelines.simulate import SimulateConfig
from flame.pipelines.stream import StreamResult
from flame.pipelines.train import TrainResult
from flame.preprocessing.config import StageConfig
from flame.streams.config import StreamConfig

FilePath = str | PathLike[str]
_PREPROCESS_KEYS = {f.name for f in fields(PreprocessConfig)} - {"dicom", "out", "stages"}


def load_config(
    path: FilePath | None = None, *overrides: str, plugins: Iterable[FilePath] = ()
) -> TrainConfig:
    """Read the configuration of a training run.

    Args:
        path: a TOML file; None: nothing is read.
        overrides: ``key.sub=value``, such as ``"training.rounds=10"``.
        plugins: Python files that register things of your own.

    Raises:
        BadInput: every unknown key and wrong value, a line each.
    """
    load_plugins(Path(p) for p in plugins)
    return read_config(TrainConfig, Path(path) if path else None, list(overrides))


def load_stream_config(
    path: FilePath | None = None, *overrides: str, plugins: Iterable[FilePath] = ()
) -> StreamConfig:
    """Read the configuration of a stream run; see ``load_config``."""
    load_plugins(Path(p) for p in plugins)
    return read_config(StreamConfig, Path(path) if path else None, list(overrides))


def inspect_dicom(folder: FilePath, progress: Progress = silent) -> ImportReport:
    """Say what is in a DICOM folder, and what is refused and why; no pixel is read.

    Args:
        folder: a folder of DICOM files.
        progress: called with files read and the total.

    Returns:
        Series with their verdicts, radiotherapy objects, and files that were passed over.
    """
    return inspect_folder(Path(folder), progress)


def preprocess(
    dicom: FilePath, out: FilePath, progress: Progress = silent, **options: Any
) -> PreprocessResult:
    """Turn a DICOM folder into BIDS derivatives; run again, it skips what is done.

    Args:
        dicom: a folder of DICOM files.
        out: the folder of BIDS derivatives.
        progress: called with days done and the total.
        options: ``jobs``, ``clinical``, ``treatments``, ``key``, ``sequences``, ``masks``,
            ``tumours`` and ``scheduler`` as of ``flame preprocess``, and parameters of the stages
            such as ``spacing=1.0``.

    Raises:
        BadInput: an option is unknown, or the folder cannot be used.
    """
    from flame.pipelines import preprocess as pipeline

    own = {name: options.pop(name) for name in _PREPROCESS_KEYS & options.keys()}
    given: Any = {n: str(v) if isinstance(v, PathLike) else v for n, v in own.items()}
    stages = build(StageConfig, options, "options")
    config = PreprocessConfig(str(dicom), str(out), stages, **given)
    return pipeline.run(config, progress)


def load_cohort(config: TrainConfig, centre: str) -> Cohort:
    """Read the patients of one centre as a run sees them.

    Args:
        config: the configuration of the run.
        centre: name of the centre.

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

    Raises:
        BadInput: the configuration, the data or ``out`` cannot be used; nothing is written.
        FlameError: training failed.
    """
    from flame.pipelines import train as pipeline

    return pipeline.run(config, Path(out), progress)


def evaluate(run: FilePath, progress: Progress = silent) -> EvaluateResult:
    """Say how the models of a run hold at each centre; write tables and report.html.

    Args:
        run: a run folder.
        progress: called with models done and the total.

    Raises:
        BadInput: training has not finished, or the data changed since.
    """
    from flame.pipelines import evaluate as pipeline

    return pipeline.run(Path(run), progress)


def predict(
    run: FilePath, subject: FilePath, out: FilePath, progress: Progress = silent, **options: Any
) -> PredictResult:
    """Forecast a patient's tumour under each radiation.

    Args:
        run: a run folder on evolution.
        subject: folder ``sub-..`` of a preprocessed centre.
        out: the folder to write to.
        progress: called with forecasts done and the total.
        options: ``radiations``, ``days``, ``response``, ``dicom`` and ``key`` as of
            ``flame predict``.

    Raises:
        BadInput: what is missing, by name.
    """
    from flame.pipelines import predict as pipeline

    config = replace(PredictConfig(str(run), str(subject), str(out)), **options)
    return pipeline.run(config, progress)


def run_stream(
    config: StreamConfig, out: FilePath, jobs: int = 1, progress: StageProgress = silent_stages
) -> StreamResult:
    """Learn from streams that drift, method beside method; write stream.html.

    Args:
        config: the configuration of the stream.
        out: the run folder.
        jobs: processes at a time.
        progress: called with the stage, methods and seeds done, and the total.

    Raises:
        BadInput: the configuration or ``out`` cannot be used.
    """
    from flame.pipelines import stream as pipeline

    return pipeline.run(config, Path(out), progress, jobs)


def simulate(out: FilePath, progress: Progress = silent, **options: Any) -> Path:
    """Write simulated hospitals as DICOM folders, with the truth beside them.

    Args:
        out: a new folder.
        progress: called with patients done and the total.
        options: ``centres``, ``patients``, ``spacing``, ``seed``, ``imaging_days`` and ``jobs``.

    Returns:
        The folder.

    Raises:
        BadInput: an option is out of range, or the folder holds something else.
    """
    from flame.pipelines import simulate as pipeline

    return pipeline.run(replace(SimulateConfig(str(out)), **options), progress)


def strategy(name: str, **options: Any) -> Strategy:
    """Return an aggregation strategy, whose ``aggregate(state, updates)`` is a plain function.

    Args:
        name: name of the strategy.
        options: its options.

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
