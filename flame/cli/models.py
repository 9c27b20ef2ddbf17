"""Commands that train models, evaluate them and predict with them."""

import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

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

if TYPE_CHECKING:
    from flame.bundles.model import Model


@app.command()
def train(
    config: Annotated[
        Path,
        typer.Argument(metavar="CONFIG", exists=True, dir_okay=False, help="TOML configuration."),
    ],
    folder: Annotated[Path, typer.Option("--out", metavar="RUN", help="Run folder.")],
    overrides: Overrides = None,
    plugin: Plugins = None,
) -> None:
    """Train local, federated and pooled models; run again to continue a killed run."""
    from flame.core.config import load_config
    from flame.federation.config import TrainConfig, check_paths

    load_plugins(plugin or [])
    settings = load_config(TrainConfig, config, overrides or [])
    check_paths(settings)
    from flame.pipelines import train as pipeline

    with bars() as show:
        result = pipeline.run(settings, folder, show)
    columns = list(result.centres[0])
    table("Trained on", columns, [[str(row[c]) for c in columns] for row in result.centres])
    warn(result.warnings)
    out.print(f"Models are in {folder}; next: flame evaluate {folder}")


@app.command()
def evaluate(
    folder: Annotated[
        Path, typer.Argument(metavar="RUN", exists=True, help="Run folder of flame train.")
    ],
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
    if not every > 0 and not folder.exists():
        raise BadInput(f"{folder} does not exist; give the folder of a run")
    from flame.federation.trainings import in_words
    from flame.pipelines import monitor as pipeline

    while True:
        try:
            result = pipeline.run(folder, tensorboard, max(every, 0))
            last = result.history.iloc[-1]
            where = f"{in_words(last.training)}, round {last['round']}"
            out.print(f"{where}: {result.html}", soft_wrap=True)
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
        Path,
        typer.Argument(
            metavar="CONFIG",
            exists=True,
            dir_okay=False,
            help="TOML configuration, as for flame train.",
        ),
    ],
    folder: Annotated[Path, typer.Option("--out", help="New folder to write to.")],
    overrides: Overrides = None,
    plugin: Plugins = None,
) -> None:
    """Describe the centres by counts and sums: survival, and each feature by itself."""
    from flame.core.config import load_config
    from flame.federation.config import TrainConfig, check_paths

    load_plugins(plugin or [])
    settings = load_config(TrainConfig, config, overrides or [])
    check_paths(settings)
    from flame.pipelines import describe as pipeline

    with bars() as show:
        result = pipeline.run(
            settings,
            folder,
            lambda done, total: show("describe", done, total),
        )
    rows = [
        [f"{v:.0f}" if isinstance(v, float) else str(v) for v in row]
        for row in result.centres.itertuples(index=False)
    ]
    table("Centres", list(result.centres.columns), rows)
    warn(result.warnings)
    out.print(f"Page: {result.html}")


@app.command()
def segment(
    folder: Annotated[
        Path,
        typer.Argument(metavar="RUN", exists=True, help="Run folder of a run on segmentation."),
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
def export(
    folder: Annotated[
        Path, typer.Argument(metavar="RUN", exists=True, help="Folder of a finished run.")
    ],
    target: Annotated[Path, typer.Option("--out", metavar="MODEL", help="Bundle to write.")],
    name: Annotated[str, typer.Option(help="Name of the model (default: that of the run).")] = "",
    version: Annotated[str, typer.Option(help="Version of the model.")] = "0.1.0",
    licence: Annotated[str, typer.Option(help="Licence of the model, such as CC-BY-4.0.")] = "",
    authors: Annotated[str, typer.Option(help="Authors and owners of the model.")] = "",
    use: Annotated[str, typer.Option(help="Intended use, for the model card.")] = "",
    plugin: Plugins = None,
) -> None:
    """Write a model as a bundle without patient data, for use elsewhere."""
    from flame.bundles.bundle import About
    from flame.pipelines import export as pipeline

    load_plugins(plugin or [])
    files = pipeline.run(folder, target, About(name, version, licence, authors, use))
    rows = [[str(f.relative_to(target)), f"{f.stat().st_size / 1024:.1f}"] for f in files]
    table(f"{target}", ["file", "KiB"], rows)
    out.print(f"Next: flame predict {target} TABLE, or flame validate {target} TABLE")


@app.command()
def predict(
    model: Annotated[
        Path,
        typer.Argument(
            metavar="MODEL", exists=True, help="Bundle of flame export, or a run folder."
        ),
    ],
    patients: Annotated[
        Path,
        typer.Argument(
            metavar="PATIENTS",
            help="Table, preprocessed centre, or a folder sub-.. of one (for forecasts).",
        ),
    ],
    target: Annotated[Path, typer.Option("--out", help="Folder to write to.")],
    radiation: Annotated[
        list[str] | None,
        typer.Option(help="photon, proton or carbon; can be repeated (default: all)."),
    ] = None,
    course: Annotated[
        list[str] | None,
        typer.Option(
            metavar="RADIATION=GY/FRACTIONS",
            help="Course of the hospital's protocol, such as carbon=57.6/16 in Gy(RBE); can be "
            "repeated (default: the planned doses and fractions).",
        ),
    ] = None,
    plan: Annotated[
        list[str] | None,
        typer.Option(
            metavar="RADIATION=FOLDER",
            help="The same patient preprocessed with the plan of that radiation (a folder sub-..), "
            "whose dose is compared; can be repeated.",
        ),
    ] = None,
    landmark: Annotated[
        int | None,
        typer.Option(
            help="Day from the start of radiotherapy: forecast from the last tumour mask until "
            "then, with all images so far (default: the last mask before radiotherapy)."
        ),
    ] = None,
    day: Annotated[
        list[int] | None, typer.Option(help="Day from the start of radiotherapy; can be repeated.")
    ] = None,
    response: Annotated[
        Path | None, typer.Option(help="Model on response, for the probability.")
    ] = None,
    dicom: Annotated[
        Path | None, typer.Option(help="DICOM folder of the hospital, to write SEG files.")
    ] = None,
    key: Annotated[
        Path | None, typer.Option(help="Pseudonym key of the hospital (DICOM.key).")
    ] = None,
    overrides: Overrides = None,
    plugin: Plugins = None,
) -> None:
    """Predict new patients: response, survival, masks, or the tumour under each radiation."""
    from flame.bundles.model import open_model

    load_plugins(plugin or [])
    opened = open_model(model).configured(overrides or [])
    if opened.task.outcome:
        _predict_outcomes(opened, patients, target)
    elif opened.config.task == "segmentation":
        raise BadInput(f"{model} draws tumours: run flame segment {model} {patients}")
    else:
        options = {"response": response, "dicom": dicom, "key": key}
        paths = {name: str(path) for name, path in options.items() if path}
        compared = {
            "radiations": tuple(radiation or ()),
            "courses": tuple(course or ()),
            "plans": tuple(plan or ()),
            "landmark": landmark,
        }
        _forecast(model, patients, target, tuple(day or ()), {**paths, **compared})
    out.print("Research software: not for decisions about patients.")


def _predict_outcomes(model: "Model", patients: Path, target: Path) -> None:
    from flame.pipelines import predict as pipeline

    with bars() as show:
        result = pipeline.predict_outcomes(
            model, patients, target, lambda done, total: show("predict", done, total)
        )
    columns = [c for c in result.table.columns if c not in ("hospital", "missing", "note")]
    rows = [
        [f"{v:.2f}" if isinstance(v, float) else str(v) for v in row]
        for row in result.table[columns].head(20).itertuples(index=False)
    ]
    table(f"{len(result.table)} patients", columns, rows)
    warn(result.warnings)
    out.print(f"Page: {result.html}", soft_wrap=True)


def _forecast(
    model: Path,
    subject: Path,
    target: Path,
    days: tuple[int, ...],
    options: dict[str, Any],
) -> None:
    from flame.pipelines import forecast as pipeline

    config = pipeline.ForecastConfig(str(model), str(subject), str(target), days=days, **options)
    with bars() as show:
        result = pipeline.run(config, lambda done, total: show("forecast", done, total))
    columns = ["radiation", "day", "ml", "90 % band"]
    rows = [
        [r["radiation"], str(r["day"]), f"{r['median_ml']:.1f}", _band(r["low_ml"], r["high_ml"])]
        for r in result.volumes.to_dict("records")
    ]
    table(f"{subject.name}: gross tumour volume", columns, rows)
    if result.response is not None:
        out.print(f"Probability of response: {result.response:.2f}")
    warn(result.warnings)
    out.print(f"Page: {result.html}", soft_wrap=True)


def _band(low: float, high: float) -> str:
    return f"{low:.1f} to {high:.1f}" if high < float("inf") else "no limit"


@app.command()
def validate(
    model: Annotated[
        Path,
        typer.Argument(
            metavar="MODEL", exists=True, help="Bundle of flame export, or a run folder."
        ),
    ],
    cohort: Annotated[
        Path | None,
        typer.Argument(metavar="[COHORT]", help="Table with outcomes, or a preprocessed centre."),
    ] = None,
    target: Annotated[Path, typer.Option("--out", help="Folder to write to.")] = Path("validation"),
    compare: Annotated[
        list[Path] | None,
        typer.Option(help="Further model, such as a clinical one; can be repeated."),
    ] = None,
    kit: Annotated[
        Path | None,
        typer.Option(help="Kit of the admin: validate at all connected sites, without COHORT."),
    ] = None,
    overrides: Overrides = None,
    plugin: Plugins = None,
) -> None:
    """Validate a model on new patients with known outcomes; nothing is trained."""
    from flame.pipelines import validate as pipeline

    load_plugins(plugin or [])
    if (cohort is None) == (kit is None):
        raise BadInput("give a COHORT, or --kit to validate in a federation")
    with bars() as show:
        if cohort:
            result = pipeline.run(
                model,
                cohort,
                target,
                compare or [],
                overrides or [],
                lambda done, total: show("validate", done, total),
            )
        else:
            assert kit is not None
            result = pipeline.run_in_federation(
                model,
                kit,
                target,
                lambda state: show("validate", state.get("done", 0), state.get("total", 1)),
                lambda line: out.print(line, soft_wrap=True),
            )
    own = result.metrics[result.metrics.prediction == result.metrics.prediction.iloc[0]]
    rows = [
        [r.hospital, r.metric, r.reason or f"{r.value:.2f} ({r.low:.2f} to {r.high:.2f})", str(r.n)]
        for r in own.itertuples()
    ]
    table(f"{model}", ["hospital", "metric", "value, 95 % interval", "patients"], rows)
    warn(result.warnings)
    out.print(result.verdict)
    out.print(f"Page: {result.html}", soft_wrap=True)


@app.command()
def examples(
    folder: Annotated[Path, typer.Argument(metavar="OUT", help="New folder to copy to.")],
    simulated: Annotated[
        str, typer.Option(metavar="NAME", help="Write simulated data for this example instead.")
    ] = "",
) -> None:
    """Copy the example configurations and the documentation of this version.

    --simulated NAME writes small simulated data for the example of that name, and the example
    with their path, so that it runs without the data set.
    """
    from flame.pipelines import examples as pipeline

    if simulated:
        example = pipeline.example_of(simulated)
        from flame.pipelines import example_data

        with bars() as show:
            path = example_data.run(example, folder, show)
        command = "stream" if simulated.startswith("stream_") else "train"
        out.print(f"Next: flame {command} {path} --out RUN", soft_wrap=True, highlight=False)
        return
    for path in pipeline.run(folder):
        out.print(str(path), soft_wrap=True, highlight=False)
    out.print(f"Documentation: {folder / 'docs' / 'index.md'}", soft_wrap=True)


@app.command()
def demo(
    folder: Annotated[Path, typer.Option("--out", help="Folder to write to.")] = Path("flame-demo"),
    centres: Annotated[int, typer.Option(help="Number of hospitals.")] = 3,
    patients: Annotated[
        int, typer.Option(min=2, help="Patients per hospital that are simulated as DICOM.")
    ] = 3,
    more: Annotated[
        int, typer.Option(min=0, help="Further patients per hospital, as preprocessed folders.")
    ] = 21,
    seed: Annotated[
        int, typer.Option(min=0, help="Random seed: the same seed gives the same patients.")
    ] = 0,
    jobs: Annotated[int, typer.Option(min=1, help="Parallel processes.")] = 2,
    quick: Annotated[
        bool, typer.Option("--quick", help="Two minutes: response alone, in one process.")
    ] = False,
    real: Annotated[
        Path | None,
        typer.Option("--table", exists=True, dir_okay=False, help="Real patients instead."),
    ] = None,
) -> None:
    """Run all steps on simulated hospitals, from DICOM to an index of pages.

    --table takes a table of real patients of several hospitals instead, with the columns centre,
    subject, survival_days, survival_status, age, sex, mgmt_status, idh_status, resection_status.
    """
    from flame.pipelines import demo as pipeline
    from flame.pipelines import demo_table
    from flame.pipelines.demo_patients import DemoPatients

    if real is not None:
        with bars() as show:
            result = demo_table.run(real, folder, show)
        print_matrix(result.report)
        out.print(f"Look at: {result.html.resolve()}", soft_wrap=True)
        return
    size = DemoPatients(centres, patients, more, seed=seed)
    if quick:
        size = replace(size, scanned=1, imaging_days=size.imaging_days[:2])
    engine = "in-process" if quick else "flare"
    config = pipeline.DemoConfig(str(folder), size, jobs, engine, quick)  # type: ignore[arg-type]
    with bars() as show:
        result = pipeline.run(config, show)
    print_matrix(result.report)
    rows = [[s.name, f"{s.seconds:.0f}", f"{s.peak_gb:.1f}"] for s in result.timing.stages]
    table("Stages", ["stage", "wall s", "peak memory GB"], rows)
    out.print("These patients are simulated; the figures do not apply to real ones.")
    out.print(f"Look at: {result.html.resolve()}", soft_wrap=True)
