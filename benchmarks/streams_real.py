"""Methods on real streams, by station and season, and on simulated MRI with a scanner upgrade.

    python benchmarks/streams_real.py DATA [--only rhine] [--seeds 3] [--jobs 2] [--quick]

DATA holds beijing_prsa/*.csv.gz (UCI 501), nycflights13_weather.csv.gz, rhine/gauges_hourly.csv.gz
(capRhein workshop data), elec.csv.gz (Harries 1999), noaa_weather_offutt.csv (Elwell and Polikar
2011) and insects_gradual_balanced_24150.zip (Souza 2020). Settings are those of
the examples and of benchmarks/streams.py. Differences are paired by node and step. Their intervals
are over steps, as rows of real data are the same for every seed. The global model of evidence
gossip was added after a first run on the airports, and before the first run on Beijing.
"""

import argparse
import tempfile
from dataclasses import replace
from pathlib import Path

import pandas as pd
from result_line import add_quick, print_result_line

from flame.core.config import load_config
from flame.pipelines import stream
from flame.streams.classified import rare_measures
from flame.streams.config import StreamConfig
from flame.streams.measures import interval, summary
from flame.streams.sources.tables.config import paths_of

OWN = "evidence-gossip"
EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
SEASONS = ("winter", "spring", "summer", "autumn")
FILES = {
    "beijing": "beijing_prsa/*.csv.gz",
    "airports": "nycflights13_weather.csv.gz",
    "rhine": "rhine/gauges_hourly.csv.gz",
    "electricity": "elec.csv.gz",
    "noaa": "noaa_weather_offutt.csv",
    "insects": "insects_gradual_balanced_24150.zip",
}
FIRST = {"beijing": 3, "airports": 1, "rhine": 5}
"""Month of the first step."""
QUICK_METHODS = ("local", "gossip", OWN)
"""Methods of --quick."""
FILES_READ = 3
"""Largest number of files of --quick."""
LONGER = 4
"""Factor by which steps are longer with --quick."""
ROWS = 60
"""Largest number of rows of a node and step with --quick."""
PATIENTS = 20
"""Patients of the simulated stream with --quick."""


def rows_of(name: str, data: Path, seeds: int, jobs: int, quick: bool) -> pd.DataFrame:
    """Run an example; return all rows."""
    config = load_config(StreamConfig, EXAMPLES / f"stream_{name}.toml", [])
    config = replace(config, seeds=tuple(range(seeds)))
    if config.gossip.file:
        links = str(EXAMPLES.parent / config.gossip.file)
        config = replace(config, gossip=replace(config.gossip, file=links))
    if name in FILES:
        config = replace(config, table=replace(config.table, files=(str(data / FILES[name]),)))
    if quick:
        config = smaller(config)
    with tempfile.TemporaryDirectory() as folder:
        return stream.run(config, Path(folder), jobs=jobs).rows.assign(
            season=lambda t: [_season(name, config, s) for s in t.step]
        )


def smaller(config: StreamConfig) -> StreamConfig:
    """Return the configuration of --quick: one seed, three methods, fewer files and rows."""
    config = replace(config, seeds=(0,), compare=QUICK_METHODS, methods={})
    if config.mri.hospitals:
        return replace(config, mri=replace(config.mri, patients=PATIENTS))
    table = config.table
    files = paths_of(config.table)[:FILES_READ]
    places = {n: at for n, at in table.places.items() if any(n in file.name for file in files)}
    table = replace(
        table,
        files=tuple(map(str, files)),
        places=places or table.places,
        step=LONGER * table.step,
        rows=ROWS,
    )
    return replace(config, table=table)


def _season(name: str, config: StreamConfig, step: int) -> str:
    if name not in FIRST:
        return ""  # the order of rows is known, and not their dates
    month = FIRST[name] + step * config.table.step / 30.44
    return SEASONS[int(month % 12) // 3]


def table(rows: pd.DataFrame, title: str) -> dict[str, float]:
    """Print accuracy by method, over all, of the worst node and by season, and wins by node.

    Returns the accuracies, and the differences from evidence gossip.
    """
    seasons = [s for s in SEASONS if s in set(rows.season)]
    columns = ["method", "accuracy", "balanced", "kappa", "AUC", "worst node", *seasons]
    print(f"\n{title}\n\n| {' | '.join(columns)} |")
    print("|" + "---|" * len(columns))
    headline: dict[str, float] = {}
    for method, part in rows.groupby("method", sort=False):
        cells = [part.accuracy.mean(), part.groupby("node").accuracy.mean().min()]
        rare = pd.DataFrame([rare_measures(p) for _, p in part.groupby("seed")]).mean()
        headline[f"accuracy of {method}"] = 100 * cells[0]
        cells += [part[part.season == s].accuracy.mean() for s in seasons]
        shown = [f"{100 * cell:.1f}" for cell in cells]
        shown[1:1] = [f"{100 * rare.balanced:.1f}", f"{rare.kappa:.2f}", f"{rare.auc:.3f}"]
        print(f"| {method} | " + " | ".join(shown) + " |")
    print(f"\n{OWN} less each other, points (95 %), by node: wins, ties, losses\n")
    mean = rows.groupby(["method", "node", "step"]).accuracy.mean().unstack("method")
    for method in [m for m in mean.columns if m != OWN]:
        less = 100 * (mean[OWN] - mean[method])
        whole = interval(less.groupby("step").mean())
        headline[f"{OWN} less {method}"] = whole.value
        nodes = [interval(part) for _, part in less.groupby("node")]
        wins = sum(n.low > 0 for n in nodes)
        losses = sum(n.high < 0 for n in nodes)
        print(
            f"- {method}: {whole.value:+.1f} ({whole.low:+.1f} to {whole.high:+.1f}); "
            f"{wins}, {len(nodes) - wins - losses}, {losses}"
        )
    return headline


def upgraded(rows: pd.DataFrame, at: int, where: str) -> dict[str, float]:
    """Print accuracy before, at and after the upgrade; return that of the upgraded hospital."""
    figures: dict[str, float] = {}
    print("\nSIMULATED hospitals, another scanner at one from step 6 on: accuracy, %\n")
    print(
        "| method | there: before | at the change | after | others: before | after | noticed | "
        "false alarms in 100 steps of a hospital |"
    )
    print("|---|---|---|---|---|---|---|---|")
    for method, part in rows.groupby("method", sort=False):
        upgraded_node = part[part.node == where]
        others = part[part.node != where]
        periods = [
            upgraded_node[upgraded_node.step < at],
            upgraded_node[upgraded_node.step == at],
            upgraded_node[upgraded_node.step > at],
            others[others.step < at],
            others[others.step > at],
        ]
        for when, period in zip(("before", "at", "after"), periods, strict=False):
            figures[f"accuracy of {method} {when} the change"] = 100 * period.accuracy.mean()
        cells = [f"{100 * p.accuracy.mean():.1f}" for p in periods]
        alarms = pd.DataFrame([summary(p) for _, p in part.groupby("seed")]).mean()
        if alarms.detected == alarms.detected:  # not NaN: the method raises alarms
            cells += [f"{100 * alarms.detected:.0f} %", f"{alarms.false_alarms:.0f}"]
        else:
            cells += ["", ""]
        print(f"| {method} | " + " | ".join(cells) + " |")
    first = rows[(rows.node == where) & (rows.step >= at)]
    for name in [c for c in rows if c.startswith("alarm_")]:
        delays = (
            first[first.method == "local"]
            .groupby("seed")
            .apply(lambda p, name=name: _delay(p, name), include_groups=False)
        )
        print(
            f"\n{name.removeprefix('alarm_')} on errors of local: delay {delays.median():.0f} rows"
        )
    return figures


def _delay(part: pd.DataFrame, column: str) -> float:
    """Return the number of patients from the change to the first alarm; NaN without one."""
    seen = 0
    for _, row in part.sort_values("step").iterrows():
        if pd.notna(row[column]):
            return float(seen + row[column])
        seen += int(row.rows)
    return float("nan")


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--only", choices=[*FILES, "mri"], help="one of the streams")
    add_quick(parser, "one seed, three methods, longer steps and fewer rows")
    arguments = parser.parse_args()
    titles = {
        "airports": "Airport weather, real: visibility three hours ahead",
        "beijing": "Beijing air quality, real: PM2.5 six hours ahead",
        "rhine": "Rhine, Neckar and Main, real: a rise by more than 10 cm in 24 hours",
        "electricity": "Electricity, real: Elec2, five nodes",
        "noaa": "Rain at Offutt, real: NOAA, five nodes",
        "insects": "Insects, real: gradual drift, balanced, five nodes",
    }
    figures: dict[str, dict[str, float]] = {}
    for name, title in titles.items():
        if arguments.only not in (None, name):
            continue
        rows = rows_of(name, arguments.data, arguments.seeds, arguments.jobs, arguments.quick)
        figures[name] = table(rows, title)
    if arguments.only in (None, "mri"):
        rows = rows_of("mri", arguments.data, 5, arguments.jobs, arguments.quick)
        figures["scanner, simulated"] = upgraded(rows, 6, "hospital-2")
    print_result_line(__file__, arguments.quick, figures)


if __name__ == "__main__":
    main()
