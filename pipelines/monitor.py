"""``flame monitor``: the progress of a training, while it runs or afterwards."""

import json
import math
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from flame.core.errors import BadInput
from flame.core.files import is_locked, write_text
from flame.federation.config import TrainConfig
from flame.federation.history import read_history
from flame.federation.run_files import LOCK, MONITOR_PAGE
from flame.federation.run_folder import RunFolder
from flame.pipelines.train import plan_of


@dataclass(frozen=True)
class MonitorResult:
    """Result of ``flame monitor``.

    Args:
        history: the history so far.
        html: page that shows it.
    """

    history: pd.DataFrame
    html: Path


def run(run_folder: Path, tensorboard: bool = False, refresh_s: float = 0) -> MonitorResult:
    """Write monitor.html, and event files for TensorBoard on request.

    Args:
        run_folder: folder of flame train or flame submit, or of a run in KIT/flame-runs of a
            server.
        tensorboard: whether to write event files.
        refresh_s: seconds after which a browser loads the page again; 0: never.

    Returns:
        The history and the path of the page.

    Raises:
        BadInput: the folder holds no run, or no round is done yet.
    """
    from flame.evaluation.pages.training_page import render

    config = RunFolder(run_folder).config()
    history = read_history(run_folder)
    if history.empty:
        raise BadInput(f"{run_folder}: no round is done yet (a regression from sums has none)")
    if tensorboard:
        from flame.evaluation.pages.tensorboard import export

        export(history, run_folder)
    html = run_folder / MONITOR_PAGE
    planned = {kind: len(trainings) for kind, trainings in plan_of(config).items()}
    running = not (run_folder / LOCK).exists() or is_locked(run_folder / LOCK)
    refresh = math.ceil(refresh_s)
    page = render(config, _simulated(config), history, planned, refresh, running)
    write_text(html, page)
    return MonitorResult(history, html)


def _simulated(config: TrainConfig) -> bool | None:
    """Return whether the data are simulated; None if they are not on this machine."""
    data = config.data
    if data.table:
        return data.simulated or (False if Path(data.table).exists() else None)
    name = "dataset_description.json"
    paths = [*Path(data.bids).glob(name), *Path(data.bids).glob(f"*/{name}")]
    flags = [bool(json.loads(path.read_text(encoding="utf-8")).get("Simulated")) for path in paths]
    return any(flags) if flags else None
