"""Small simulated stand-ins for the tables of the examples, whose data are not part of FLAME.

Values are random, with a weak effect on the outcome: they show that an example runs, and nothing
else. The configuration says which columns a table needs.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from flame.core.config import as_toml, load_config
from flame.core.errors import BadInput
from flame.core.files import write_text
from flame.core.progress import StageProgress, silent_stages
from flame.federation.config import TrainConfig
from flame.pipelines.demo_patients import DemoPatients, prepare
from flame.pipelines.timing import Timing
from flame.streams.config import StreamConfig
from flame.streams.sources.tables.config import TableConfig

PATIENTS = 60
"""Patients of each hospital."""
STEPS = 6
"""Steps of a stream."""
ROWS = 40
"""Rows of each node in a step."""
IMAGED = DemoPatients(centres=2, scanned=4, more=0, spacing=4.0, imaging_days=(-10, 165))
"""Patients of the examples on images."""
_STEPS = 8
"""Steps of training in the examples on images."""


def run(example: Path, out: Path, progress: StageProgress = silent_stages) -> Path:
    """Write a stand-in for the data of an example, and the example with the paths of it.

    Examples on images get a few simulated patients, which are preprocessed, and train for a few
    steps.

    Args:
        example: configuration of the example, see ``examples.example_of``.
        out: folder to write to.
        progress: called with the stage, its steps done and their total.

    Returns:
        The configuration to run.

    Raises:
        BadInput: the example simulates its own data.
        FlameError: a day could not be preprocessed.
    """
    name = example.stem
    path = out / f"{name}.toml"
    if name.startswith("stream_"):
        stream = load_config(StreamConfig, example, [])
        if not stream.table.files:
            raise BadInput(f"{name} simulates its own data: flame stream {example} --out RUN")
        table = _write_stream(stream.table, out)
        write_text(path, as_toml(replace(stream, table=table)))
        return path
    config = load_config(TrainConfig, example, [])
    if not config.data.table:
        # Forecasts need no images but follow-up, which few patients are cheap to have without them.
        patients = replace(IMAGED, more=6) if name == "evolution" else IMAGED
        bids = prepare(out, patients, 2, Timing(), progress).bids
        data = replace(config.data, bids=str(bids.resolve()))
        write_text(path, as_toml(_shortened(replace(config, data=data))))
        return path
    file = out / Path(config.data.table).name
    write_text(file, clinical_table(config).to_csv(index=False))
    data = replace(config.data, table=str(file.resolve()), simulated=True)
    write_text(path, as_toml(replace(config, data=data)))
    return path


def _shortened(config: TrainConfig) -> TrainConfig:
    """Return a training of minutes: two rounds, two folds, one seed and few steps."""
    return replace(
        config,
        training=replace(config.training, folds=2, rounds=2, seeds=config.training.seeds[:1]),
        segmentation=replace(config.segmentation, steps=_STEPS),
        evolution=replace(config.evolution, steps=_STEPS),
    )


def clinical_table(config: TrainConfig) -> pd.DataFrame:
    """Simulate patients with the columns that a configuration names.

    Args:
        config: configuration of a run on a table.

    Returns:
        One row per patient; the first feature shortens survival and makes response rarer.
    """
    data = config.data
    rng = np.random.default_rng(0)
    centres = np.repeat(data.centres, PATIENTS)
    features = config.features()
    values = {name: _values(name, len(centres), rng) for name in features}
    first = values[features[0]]
    risk = (first - first.mean()) / first.std()
    table = pd.DataFrame(values)
    table[data.centre_column] = centres
    table[data.id_column] = [f"p{n:03d}" for n in range(len(table))]
    if data.survival:
        days, status, *_ = data.survival
        table[days] = np.ceil(rng.exponential(450 * np.exp(-0.5 * risk)))
        table[status] = (rng.random(len(table)) < 0.85).astype(int)
    else:
        table["response"] = (rng.normal(size=len(table)) > risk).astype(int)
    return table


def _values(name: str, n: int, rng: np.random.Generator) -> np.ndarray:
    if name == "age":
        return rng.normal(60, 11, n).clip(20, 88).round()
    if name == "sex" or name.endswith("_status"):
        return rng.integers(0, 2, n).astype(float)
    return rng.lognormal(2.0, 0.5, n).round(3)


def _write_stream(table: TableConfig, out: Path) -> TableConfig:
    """Write the files of a stream; return its configuration with their paths."""
    sites = list(table.places) or [f"site-{n + 1}" for n in range(3)]
    names = [f.replace("*", "simulated") for f in table.files]
    files = []
    for number, name in enumerate(names):
        path = out / Path(name).name.removesuffix(".gz")
        rows = _stream_rows(table, sites, np.random.default_rng(number), number >= len(names) / 2)
        write_text(path, rows.to_csv(index=False))
        files.append(str(path.resolve()))
    return replace(table, files=tuple(files), simulated=True)


def _stream_rows(
    table: TableConfig, sites: list[str], rng: np.random.Generator, late: bool
) -> pd.DataFrame:
    """Simulate rows in order of time; after half of them the effect of the features turns round.

    Where each file is a point in time, it turns round in the ``late`` files.
    """
    # Where the outcome is read some hours ahead, there is a row for every hour.
    n = int(STEPS * table.step * 24) if table.ahead else STEPS * ROWS
    parts = []
    for site in sites:
        x = rng.normal(size=(n, len(table.features)))
        after = np.arange(n) >= n // 2 if table.time_columns else np.full(n, late)
        turned = np.where(after, -1.0, 1.0)
        signal = np.roll(turned * x[:, 0], int(table.ahead)) + 0.5 * rng.normal(size=n)
        part = pd.DataFrame(x, columns=list(table.features)).round(3)
        part[table.outcome] = _outcome(table, signal)
        if table.site_column:
            part[table.site_column] = site
        if table.subject_column:
            part[table.subject_column] = [f"{site}-{k // 4}" for k in range(n)]
        parts.append(_with_times(part, table, n))
    return pd.concat(parts, ignore_index=True)


def _outcome(table: TableConfig, signal: np.ndarray) -> np.ndarray:
    if table.positive:
        other = next(v for v in (*table.among, "no") if v not in table.positive)
        return np.where(signal > 0, table.positive[0], other)
    return np.round((table.above or 0.0) + signal, 3)


def _with_times(part: pd.DataFrame, table: TableConfig, n: int) -> pd.DataFrame:
    """Add the time columns, so that the rows fill ``STEPS`` steps."""
    if not table.time_columns:
        return part
    share = np.arange(n) / n * STEPS * table.step
    if len(table.time_columns) == 1 and not table.cyclic and not table.ahead:
        return part.assign(**{table.time_columns[0]: share.round(2)})
    hours = pd.Timestamp("2013-01-01") + pd.to_timedelta((share * 24).round(), unit="h")
    fields = {"year": hours.year, "month": hours.month, "day": hours.day, "hour": hours.hour}
    if len(table.time_columns) == 1:
        part[table.time_columns[0]] = hours.strftime("%Y-%m-%d %H:00:00")
    for name in (*table.time_columns, *table.cyclic):
        if name in fields:
            part[name] = fields[name]
    return part
