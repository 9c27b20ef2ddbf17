"""``flame monitor``: how the training of a run goes, while it goes or after."""

import json
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from flame.core.errors import BadInput
from flame.core.files import write_text
from flame.federation.config import TrainConfig
from flame.federation.history import read_history
from flame.federation.run_files import MONITOR_PAGE
from flame.federation.run_folder import RunFolder


@dataclass(frozen=True)
class MonitorResult:
    """The history so far, and the page that shows it."""

    history: pd.DataFrame
    html: Path


def run(run_folder: Path, tensorboard: bool = False) -> MonitorResult:
    """Write monitor.html, and event files for TensorBoard if wished for.

    ``run_folder`` is that of flame train or flame submit, or of a run at the server, in
    KIT/flame-runs.
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
    write_text(html, render(config, _simulated(config), history))
    return MonitorResult(history, html)


def _simulated(config: TrainConfig) -> bool | None:
    """Whether the data say so; None where they cannot be seen from here."""
    data = config.data
    if data.table:
        return data.simulated or (False if Path(data.table).exists() else None)
    name = "dataset_description.json"
    found = [*Path(data.bids).glob(name), *Path(data.bids).glob(f"*/{name}")]
    told = [bool(json.loads(path.read_text(encoding="utf-8")).get("Simulated")) for path in found]
    return any(told) if told else None
