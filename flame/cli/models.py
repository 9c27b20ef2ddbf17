"""Commands that train models, evaluate them and predict with them."""

import time
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from flame.cli.console import (
    Overrides,
    Plugins,
    app,
    bars,
    out,
    print_matrix,
    table,
    warn,
)
from flame.core.errors import BadInput
from flame.core.plugins import load_plugins


@app.command()
def train(
    config: Annotated[Path, typer.Argument(metavar="CONFIG", help="TOML configuration.")],
    folder: Annotated[Path, typer.Option("--out", metavar="RUN", help="Run folder.")],
    overrides: Overrides = None,
    plugin: Plugins = None,
) -> None:
    """Train local, federated and pooled models; run again to continue a killed run."""
    from flame.core.config import load_config
    from flame.federation.config import TrainConfig
    from flame.pipelines import train as pipeline

    load_plugins(plugin or [])
    settings = load_config(TrainConfig, config, overrides or [])
    with bars() as show:
        result = pipeline.run(settings, folder, show)
    columns = list(result.centres[0])
    table("Trained on", columns, [[str(row[c]) for c in columns] for row in result.centres])
    warn(result.warnings)
    out.print(f"Models are in {folder}; next: flame evaluate {folder}")


@app.command()
def evaluate(
    folder: Annotated[Path, typer.Argument(metavar="RUN", help="Run folder of flame train.")],
    plugin: Plugins = None,
) -> None:
    """Evaluate every model at every centre; write scores.csv and report.html."""
    from flame.pipelines import evaluate as pipeline

    load_plugins(plugin or [])
    with bars() as show:
        result = pipeline.run(folder, lambda done, total: show("evaluate", done, total))
    print_matrix(result.report)
    out.print(f"Report: {result.html}")


@app.command()
def monitor(
    folder: Annotated[
        Path, typer.Argument(metavar="RUN", help="Folder of a running or finished run.")
    ],
    tensorboard: Annotated[bool, typer.Option(help="Also write RUN/tensorboard.")] = False,
    every: Annotated[
        float, typer.Option(help="Seconds between updates until Ctrl-C (0: once).")
    ] = 0,
) -> None:
    """Show the progress of a training, also while it runs; write monitor.html."""
    from flame.pipelines import monitor as pipeline

    while True:
        try:
            result = pipeline.run(folder, tensorboard)
            last = result.history.iloc[-1]
            out.print(f"{last.training}, round {last['round']}: {result.html}", soft_wrap=True)
        except BadInput as error:
            if not every > 0:
                raise
            out.print(str(error), soft_wrap=True)
        if not every > 0:
            return
        time.sleep(every)


@app.command()
def describe(
    config: Annotated[
        Path, typer.Argument(metavar="CONFIG", help="TOML configuration, as for flame train.")
    ],
    folder: Annotated[Path, typer.Option("--out", help="New folder to write to.")],
    overrides: Overrides = None,
    plugin: Plugins = None,
) -> None:
    """Describe the centres by counts and sums: survival, and each feature by itself."""
    from flame.core.config import load_config
    from flame.federation.config import TrainConfig
    from flame.pipelines import describe as pipeline

    load_plugins(plugin or [])
    with bars() as show:
        result = pipeline.run(
            load_config(TrainConfig, config, overrides or []),
            folder,
            lambda done, total: show("describe", done, total),
        )
    rows = [
        [f"{v:.0f}" if isinstance(v, float) else str(v) for v in row]
        for row in result.centres.itertuples(index=False)
    ]
    table("Centres", list(result.centres.columns), rows)
    out.print(f"Page: {result.html}")


@app.command()
def segment(
    folder: Annotated[
        Path, typer.Argument(metavar="RUN", help="Run folder of a run on segmentation.")
    ],
    centre: Annotated[Path, typer.Argument(metavar="CENTRE", help="A preprocessed centre.")],
    plugin: Plugins = None,
) -> None:
    """Predict the tumour of every day without a drawn one."""
    from flame.pipelines import segment as pipeline

    load_plugins(plugin or [])
    with bars() as show:
        rows = pipeline.run(folder, centre, lambda done, total: show("segment", done, total))
    regions = list(rows[0].ml) if rows else []
    columns = ["subject", "session", *(f"{region} ml" for region in regions)]
    shown = [[r.subject, r.session, *(f"{r.ml[region]:.1f}" for region in regions)] for r in rows]
    table(f"{centre}: predicted masks", columns, shown)
    out.print("Drawn tumours are unchanged. Check the masks before you use them.")


@app.command()
def predict(
    folder: Annotated[
        Path, typer.Argument(metavar="RUN", help="Run folder of a run on evolution.")
    ],
    subject: Annotated[
        Path, typer.Argument(metavar="SUBJECT", help="Folder sub-.. of a preprocessed centre.")
    ],
    target: Annotated[Path, typer.Option("--out", help="Folder to write to.")],
    radiation: Annotated[
        list[str] | None,
        typer.Option(help="photon, proton or carbon; can be repeated (default: all)."),
    ] = None,
    day: Annotated[
        list[int] | None, typer.Option(help="Day from the start of radiotherapy; can be repeated.")
    ] = None,
    response: Annotated[
        Path | None, typer.Option(help="Run folder of a run on response, for the probability.")
    ] = None,
    dicom: Annotated[
        Path | None, typer.Option(help="DICOM folder of the hospital, to write SEG files.")
    ] = None,
    key: Annotated[
        Path | None, typer.Option(help="Pseudonym key of the hospital (DICOM.key).")
    ] = None,
    plugin: Plugins = None,
) -> None:
    """Forecast a patient's tumour under each radiation; NIfTI, DICOM SEG and prediction.html."""
    from flame.pipelines import predict as pipeline

    load_plugins(plugin or [])

    def text(path: Path | None) -> str | None:
        return str(path) if path else None

    default = pipeline.PredictConfig(str(folder), str(subject), str(target))
    config = replace(
        default,
        radiations=tuple(radiation or default.radiations),
        days=tuple(day or ()),
        response=text(response),
        dicom=text(dicom),
        key=text(key),
    )
    with bars() as show:
        result = pipeline.run(config, lambda done, total: show("forecast", done, total))
    columns = ["radiation", "day", "ml", "90 % band"]
    rows = [
        [str(r.radiation), str(r.day), f"{r.median_ml:.1f}", f"{r.low_ml:.1f} to {r.high_ml:.1f}"]
        for r in result.volumes.itertuples()
    ]
    table(f"{subject.name}: gross tumour volume", columns, rows)
    if result.response is not None:
        out.print(f"Probability of response: {result.response:.2f}")
    warn(result.warnings)
    out.print("Research software: not for decisions about patients.")
    out.print(f"Page: {result.html}", soft_wrap=True)


@app.command()
def examples(
    folder: Annotated[Path, typer.Argument(metavar="OUT", help="New folder to copy to.")],
) -> None:
    """Copy the example configurations and the documentation of this version."""
    from flame.pipelines import examples as pipeline

    for path in pipeline.run(folder):
        out.print(str(path), soft_wrap=True, highlight=False)
    out.print(f"Documentation: {folder / 'docs' / 'index.md'}", soft_wrap=True)


@app.command()
def demo(
    folder: Annotated[Path, typer.Option("--out", help="Folder to write to.")] = Path("flame-demo"),
    centres: Annotated[int, typer.Option(help="Number of hospitals.")] = 3,
    patients: Annotated[int, typer.Option(help="Patients per hospital.")] = 8,
    seed: Annotated[
        int, typer.Option(min=0, help="Random seed: the same seed gives the same patients.")
    ] = 0,
    jobs: Annotated[int, typer.Option(min=1, help="Parallel processes.")] = 2,
) -> None:
    """Run all steps on simulated hospitals: DICOM, preprocessing, FLARE, report."""
    from flame.pipelines import demo as pipeline

    config = pipeline.DemoConfig(str(folder), centres, patients, seed=seed, jobs=jobs)
    with bars() as show:
        result = pipeline.run(config, show)
    print_matrix(result.evaluation.report)
    rows = [[s.name, f"{s.seconds:.0f}", f"{s.peak_gb:.1f}"] for s in result.timing.stages]
    table("Stages", ["stage", "wall s", "peak memory GB"], rows)
    out.print("These patients are simulated; the figures do not apply to real ones.")
    out.print(f"Report: {result.evaluation.html.resolve()}", soft_wrap=True)
