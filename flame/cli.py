"""The ``flame`` command: parses, calls a pipeline, prints."""

import json
import logging
import os
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from flame.core.errors import FlameError
from flame.core.scores import GeneralisationReport

app = typer.Typer(
    help="Federated learning from glioblastoma MRI: from DICOM folders to a per-centre report.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
_INTERRUPTED = 130
_BAD_PATH = (PermissionError, IsADirectoryError, NotADirectoryError, FileExistsError)
out, err = Console(), Console(stderr=True)
Overrides = Annotated[
    list[str] | None, typer.Option("--set", help="Override a key: section.key=value.")
]
Sequences = Annotated[
    Path | None,
    typer.Option(help="Table of overrides: series (from inspect --json), sequence."),
]


def main() -> None:
    """Run the command; a FlameError becomes one line and its exit code."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    logging.getLogger("nilearn").setLevel(logging.WARNING)
    warnings.filterwarnings("ignore")
    try:
        app()
    except FlameError as error:
        err.print(f"[bold red]Error:[/] {escape(str(error))}", highlight=False, soft_wrap=True)
        raise SystemExit(error.exit_code) from None
    except OSError as error:
        err.print(f"[bold red]Error:[/] {escape(str(error))}", highlight=False, soft_wrap=True)
        raise SystemExit(2 if isinstance(error, _BAD_PATH) else 1) from None
    except SystemExit as stop:
        if stop.code != _INTERRUPTED:
            raise
        err.print("Stopped. Run the same command again to go on from here.")
        raise SystemExit(1) from None


def _import_keras_quietly() -> None:
    """Import Keras with TensorFlow's start-up chatter, which no setting turns off, dropped."""
    kept = os.dup(2)
    with open(os.devnull, "w") as nowhere:
        os.dup2(nowhere.fileno(), 2)
        try:
            import keras  # noqa: F401
        finally:
            os.dup2(kept, 2)
            os.close(kept)


@contextmanager
def _bars() -> Iterator[Callable[[str, int, int], None]]:
    """Progress bars, one a stage, on standard error."""
    columns = (TextColumn("{task.description:<22}"), BarColumn(), MofNCompleteColumn(),
               TimeRemainingColumn())  # fmt: skip
    with Progress(*columns, console=err) as progress:
        tasks: dict[str, Any] = {}

        def show(stage: str, done: int, total: int) -> None:
            if stage not in tasks:
                tasks[stage] = progress.add_task(stage, total=total)
            progress.update(tasks[stage], completed=done, total=total)

        yield show


def _warn(warnings_: Iterable[str]) -> None:
    for warning in warnings_:
        err.print(f"[yellow]Warning:[/] {escape(warning)}", soft_wrap=True, highlight=False)


def _table(title: str, columns: list[str], rows: list[list[str]]) -> None:
    table = Table(title=escape(title), title_justify="left")
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*map(escape, row))
    out.print(table)


@app.command()
def simulate(
    folder: Annotated[Path, typer.Argument(metavar="OUT", help="New folder to write to.")],
    centres: Annotated[int, typer.Option(help="Number of hospitals.")] = 3,
    patients: Annotated[int, typer.Option(help="Patients a hospital.")] = 8,
    spacing: Annotated[float, typer.Option(help="Voxel size of the scanners in mm.")] = 2.0,
    seed: Annotated[int, typer.Option(min=0, help="Same seed, same bytes.")] = 0,
    jobs: Annotated[int, typer.Option(min=1, help="Parallel processes.")] = 2,
) -> None:
    """Write simulated hospitals as DICOM folders, with the truth beside them."""
    from flame.pipelines import simulate as pipeline

    config = pipeline.SimulateConfig(str(folder), centres, patients, spacing, seed, jobs=jobs)
    with _bars() as show:
        pipeline.run(config, lambda done, total: show("simulate", done, total))
    out.print(f"{centres} simulated hospitals in {folder}; the truth is in {folder / 'truth'}")


@app.command()
def inspect(
    dicom: Annotated[Path, typer.Argument(metavar="DICOM", help="Folder of DICOM files.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for programs.")] = False,
    sequences: Sequences = None,
) -> None:
    """Show what is in a DICOM folder, and what is refused and why."""
    from flame.pipelines import inspect as pipeline

    with _bars() as show:
        report, rows = pipeline.run(
            dicom, lambda done, total: show("headers", done, total), sequences
        )
    if as_json:
        print(json.dumps([asdict(row) for row in rows], indent=2))
    else:
        columns = ["patient", "date", "series", "taken as", "geometry", "why"]
        shown = [[r.patient, r.day, r.series, r.verdict, r.geometry, r.reason] for r in rows]
        _table(f"{dicom}", columns, shown)
        for file in report.unreadable[:20]:
            out.print(f"passed over: {file.path}: {file.reason}", soft_wrap=True, markup=False)
        if len(report.unreadable) > 20:
            out.print(f"... and {len(report.unreadable) - 20} more files passed over")
    if not any(s.taken for s in report.series) and not report.radiotherapy:
        raise SystemExit(2)


@app.command()
def preprocess(
    dicom: Annotated[Path, typer.Argument(metavar="DICOM", help="Folder of DICOM files.")],
    folder: Annotated[Path, typer.Argument(metavar="OUT", help="Folder of BIDS derivatives.")],
    spacing: Annotated[
        float | None, typer.Option(help="Voxel size of the output in mm (1).")
    ] = None,
    jobs: Annotated[int, typer.Option(min=1, help="Parallel processes.")] = 1,
    clinical: Annotated[
        Path | None, typer.Option(help="Table with a column patient_id (the DICOM PatientID).")
    ] = None,
    treatments: Annotated[
        Path | None, typer.Option(help="Table of radiotherapy, instead of RT Plan files.")
    ] = None,
    key: Annotated[
        Path | None, typer.Option(help="Pseudonym key; made beside DICOM if absent.")
    ] = None,
    sequences: Sequences = None,
    masks: Annotated[
        Path | None, typer.Option(help="Folder of brain masks PatientID_YYYYMMDD[-2].nii.gz.")
    ] = None,
    tumours: Annotated[
        Path | None, typer.Option(help="Folder of tumour masks, named alike, on the T1c's grid.")
    ] = None,
    scheduler: Annotated[
        str | None, typer.Option(help="Dask scheduler, such as tcp://host:8786.")
    ] = None,
    config: Annotated[
        Path | None, typer.Option(help="TOML file of stage parameters (docs/configuration.md).")
    ] = None,
    overrides: Overrides = None,
) -> None:
    """Turn a DICOM folder into BIDS derivatives; run again, it skips what is done."""
    from flame.core.config import load_config
    from flame.pipelines import preprocess as pipeline
    from flame.preprocessing.config import StageConfig

    given = [f"spacing={spacing}"] * (spacing is not None)
    stages = load_config(StageConfig, config, [*given, *(overrides or [])])

    def text(path: Path | None) -> str | None:
        return str(path) if path else None

    settings = pipeline.PreprocessConfig(
        str(dicom), str(folder), stages, jobs, text(clinical), text(treatments), text(key),
        text(sequences), text(masks), scheduler, text(tumours),
    )  # fmt: skip
    with _bars() as show:
        result = pipeline.run(settings, lambda done, total: show("preprocess", done, total))
    columns = ["subject", "session", "day", "status", "sequences", "brain ml", "quality", "note"]
    rows = [
        [r.subject, r.session, str(r.day), r.status, r.sequences, f"{r.brain_ml:.0f}", r.quality,
         f"{r.note} {r.path}".strip()]
        for r in result.studies
    ]  # fmt: skip
    _table(f"{folder}", columns, rows)
    _warn(result.warnings)
    out.print(f"Look at the images: {result.html}", soft_wrap=True)
    failed = sum(r.status == "failed" for r in result.studies)
    if failed:
        raise FlameError(f"{failed} of {len(result.studies)} studies failed; the note says why")


@app.command("import")
def import_(
    name: Annotated[
        str,
        typer.Argument(
            metavar="DATASET",
            help="cfb-gbm, lumiere, sailor, mu-glioma-post, ucsf-alptdg, upenn-gbm or brats.",
        ),
    ],
    download: Annotated[Path, typer.Argument(metavar="DOWNLOAD", help="Its folder.")],
    folder: Annotated[Path, typer.Argument(metavar="OUT", help="A folder a centre goes here.")],
    spacing: Annotated[float, typer.Option(help="Voxel size of the output in mm.")] = 1.0,
    jobs: Annotated[int, typer.Option(min=1, help="Parallel processes.")] = 2,
    centre: Annotated[list[str] | None, typer.Option(help="Only this one; repeat it.")] = None,
    check: Annotated[bool, typer.Option(help="Say what is there and what is missing.")] = False,
    overrides: Overrides = None,
) -> None:
    """Preprocess a downloaded public data set into one folder a centre."""
    from flame.core.config import load_config
    from flame.pipelines import import_dataset as pipeline
    from flame.preprocessing.config import StageConfig

    if check:
        out.print(pipeline.as_json(pipeline.read(name, download)), highlight=False)
        return
    stages = load_config(StageConfig, None, [f"spacing={spacing}", *(overrides or [])])
    config = pipeline.ImportConfig(
        name, str(download), str(folder), stages, jobs, tuple(centre or ())
    )
    with _bars() as show:
        result = pipeline.run(config, lambda done, total: show("import", done, total))
    _warn(result.missing)
    rows = [
        [c, r.subject, r.session, str(r.day), r.status, r.note]
        for c, found in result.studies.items()
        for r in found
        if r.status == "failed"
    ]
    if rows:
        _table("Days that failed", ["centre", "subject", "session", "day", "status", "why"], rows)
    kept = sum(r.status != "failed" for found in result.studies.values() for r in found)
    out.print(f"{kept} days of {len(result.studies)} centres are in {folder}.")
    out.print(f"Cite: {result.source}. Licence: {result.licence}.")
    if not kept:
        raise SystemExit(1)


@app.command()
def harmonise(
    source: Annotated[
        Path, typer.Argument(metavar="SOURCE", help="Folder of preprocessed centres, or a table.")
    ],
    target: Annotated[Path, typer.Option("--out", help="Landmarks (JSON), or the new table.")],
    features: Annotated[
        str, typer.Option(help="Columns of the table to harmonise, separated by commas.")
    ] = "",
    covariates: Annotated[
        str, typer.Option(help="Columns whose effect is kept, such as age,sex.")
    ] = "",
    centre_column: Annotated[str, typer.Option(help="Column that names the centre.")] = "centre",
) -> None:
    """Make centres alike: Nyul landmarks for images, ComBat for the features of a table."""
    from flame.pipelines import harmonise as pipeline

    if source.is_dir():
        result = pipeline.fit_landmarks(source, target)
    else:
        names = [
            [n.strip() for n in text.split(",") if n.strip()] for text in (features, covariates)
        ]
        result = pipeline.harmonise_table(source, target, centre_column, *names)
    _table(f"{source}", ["centre", "summarised"], [list(row) for row in result.rows])
    out.print(f"Written: {result.path}", soft_wrap=True)


@app.command()
def train(
    config: Annotated[Path, typer.Argument(metavar="CONFIG", help="TOML configuration.")],
    folder: Annotated[Path, typer.Option("--out", metavar="RUN", help="Run folder.")],
    overrides: Overrides = None,
) -> None:
    """Train local, federated and pooled models; a killed run goes on."""
    from flame.core.config import load_config
    from flame.federation.config import TrainConfig
    from flame.pipelines import train as pipeline

    settings = load_config(TrainConfig, config, overrides or [])
    _import_keras_quietly()
    with _bars() as show:
        result = pipeline.run(settings, folder, show)
    columns = list(result.centres[0])
    _table("Trained on", columns, [[str(row[c]) for c in columns] for row in result.centres])
    _warn(result.warnings)
    out.print(f"Models are in {folder}; now: flame evaluate {folder}")


@app.command()
def evaluate(
    folder: Annotated[Path, typer.Argument(metavar="RUN", help="Run folder of flame train.")],
) -> None:
    """Show how every model holds at every centre; write scores.csv and report.html."""
    from flame.pipelines import evaluate as pipeline

    _import_keras_quietly()

    with _bars() as show:
        result = pipeline.run(folder, lambda done, total: show("evaluate", done, total))
    _print_matrix(result.report)
    out.print(f"Report: {result.html}")


def _print_matrix(report: GeneralisationReport) -> None:
    from flame.evaluation.measures import MEASURES

    kind = "SIMULATED patients" if report.simulated else "real patients"
    rows: dict[tuple[str, str], dict[str, str]] = {}
    for s in report.scores:
        if s.metric == report.metric:
            origin = s.trained_on if s.model == "local" else ""
            text = f"{s.value:.2f} ({s.low:.2f}-{s.high:.2f})" if not s.reason else s.reason
            rows.setdefault((s.model, origin), {})[s.tested_on] = text
    _table(
        f"{MEASURES[report.metric].title} (95 % interval) by tested centre: {kind}",
        ["model", "trained on", *report.centres],
        [[*key, *(by.get(c, "") for c in report.centres)] for key, by in rows.items()],
    )


@app.command()
def describe(
    config: Annotated[Path, typer.Argument(metavar="CONFIG", help="As of flame train.")],
    folder: Annotated[Path, typer.Option("--out", help="New folder to write to.")],
    overrides: Overrides = None,
) -> None:
    """Say what the centres are like, from counts and sums: survival, features one by one."""
    from flame.core.config import load_config
    from flame.federation.config import TrainConfig
    from flame.pipelines import describe as pipeline

    with _bars() as show:
        result = pipeline.run(load_config(TrainConfig, config, overrides or []), folder,
                              lambda done, total: show("describe", done, total))  # fmt: skip
    rows = [[f"{v:.0f}" if isinstance(v, float) else str(v) for v in row]
            for row in result.centres.itertuples(index=False)]  # fmt: skip
    _table("Centres", list(result.centres.columns), rows)
    out.print(f"Page: {result.html}")


@app.command()
def segment(
    folder: Annotated[Path, typer.Argument(metavar="RUN", help="Run folder on segmentation.")],
    centre: Annotated[Path, typer.Argument(metavar="CENTRE", help="A preprocessed centre.")],
) -> None:
    """Predict the tumour of every day on which nobody drew one."""
    from flame.pipelines import segment as pipeline

    _import_keras_quietly()
    with _bars() as show:
        rows = pipeline.run(folder, centre, lambda done, total: show("segment", done, total))
    regions = list(rows[0].ml) if rows else []
    columns = ["subject", "session", *(f"{region} ml" for region in regions)]
    shown = [[r.subject, r.session, *(f"{r.ml[region]:.1f}" for region in regions)] for r in rows]
    _table(f"{centre}: predicted masks", columns, shown)
    out.print("Drawn tumours are left as they are. Look at the masks before you use them.")


@app.command()
def assess(
    centre: Annotated[Path, typer.Argument(metavar="CENTRE", help="A preprocessed centre.")],
    criteria: Annotated[
        str, typer.Option(help="rano-2.0-volume, rano-2.0 or rano-2010.")
    ] = "rano-2.0-volume",
) -> None:
    """Rate every day with a tumour mask by RANO, with its reason; progression-free survival."""
    from flame.pipelines import assess as pipeline

    with _bars() as show:
        result = pipeline.run(centre, criteria, lambda done, total: show("assess", done, total))
    rows = [
        [name, str(a.burden.day), f"{a.burden.size:g}", str(a.rating), a.why]
        for name, found in result.ratings.items()
        for a in found
    ]
    _table(f"{centre}: {criteria}", ["subject", "day", "size", "rating", "why"], rows)
    _warn(f"{name}: {reason}" for name, reason in result.left_out.items())
    progressed = sum(end.progressed for end in result.progressions.values())
    out.print(
        f"{progressed} of {len(result.progressions)} progressed or died. Steroids and clinical "
        f"state are not known and do not count. Written: {centre}/response.tsv, progression.tsv"
    )


@app.command()
def predict(
    folder: Annotated[Path, typer.Argument(metavar="RUN", help="Run folder on evolution.")],
    subject: Annotated[
        Path, typer.Argument(metavar="SUBJECT", help="Folder sub-.. of a preprocessed centre.")
    ],
    target: Annotated[Path, typer.Option("--out", help="Folder to write to.")],
    radiation: Annotated[
        list[str] | None, typer.Option(help="photon, proton or carbon; repeat it (all three).")
    ] = None,
    day: Annotated[
        list[int] | None, typer.Option(help="Day from the start of radiotherapy; repeat it.")
    ] = None,
    response: Annotated[
        Path | None, typer.Option(help="Run folder on response, for its probability.")
    ] = None,
    dicom: Annotated[
        Path | None, typer.Option(help="The hospital's DICOM folder, to write SEG files.")
    ] = None,
    key: Annotated[Path | None, typer.Option(help="Its pseudonym key (DICOM.key).")] = None,
) -> None:
    """Forecast a patient's tumour under each radiation; NIfTI, DICOM SEG and prediction.html."""
    from flame.pipelines import predict as pipeline

    def text(path: Path | None) -> str | None:
        return str(path) if path else None

    default = pipeline.PredictConfig(str(folder), str(subject), str(target))
    config = replace(
        default, radiations=tuple(radiation or default.radiations), days=tuple(day or ()),
        response=text(response), dicom=text(dicom), key=text(key),
    )  # fmt: skip
    _import_keras_quietly()
    with _bars() as show:
        result = pipeline.run(config, lambda done, total: show("forecast", done, total))
    columns = ["radiation", "day", "ml", "90 % band"]
    rows = [
        [str(r.radiation), str(r.day), f"{r.median_ml:.1f}", f"{r.low_ml:.1f} to {r.high_ml:.1f}"]
        for r in result.volumes.itertuples()
    ]
    _table(f"{subject.name}: gross tumour volume", columns, rows)
    if result.response is not None:
        out.print(f"Probability of response: {result.response:.2f}")
    _warn(result.warnings)
    out.print("Research software: not for decisions about patients.")
    out.print(f"Look at it: {result.html}", soft_wrap=True)


@app.command()
def demo(
    folder: Annotated[Path, typer.Option("--out", help="Folder to write to.")] = Path("flame-demo"),
    centres: Annotated[int, typer.Option(help="Number of hospitals.")] = 3,
    patients: Annotated[int, typer.Option(help="Patients a hospital.")] = 8,
    seed: Annotated[int, typer.Option(min=0, help="Same seed, same patients.")] = 0,
    jobs: Annotated[int, typer.Option(min=1, help="Parallel processes.")] = 2,
) -> None:
    """Run everything on simulated hospitals: DICOM, preprocessing, FLARE, report."""
    from flame.pipelines import demo as pipeline

    _import_keras_quietly()

    config = pipeline.DemoConfig(str(folder), centres, patients, seed=seed, jobs=jobs)
    with _bars() as show:
        result = pipeline.run(config, show)
    _print_matrix(result.evaluation.report)
    rows = [[s.name, f"{s.seconds:.0f}", f"{s.peak_gb:.1f}"] for s in result.timing.stages]
    _table("Stages", ["stage", "wall s", "peak memory GB"], rows)
    out.print("These patients are simulated; the figures say nothing about real ones.")
    out.print(f"Report: {result.evaluation.html.resolve()}", soft_wrap=True)


if __name__ == "__main__":
    main()
