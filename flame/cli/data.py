"""Commands on the images and tables of a hospital."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flame.cli.console import Overrides, Plugins, app, bars, out, table, warn
from flame.core.errors import BadInput, FlameError
from flame.core.plugins import load_plugins
from flame.core.shown import shown_lines
from flame.core.treatment import Radiation

if TYPE_CHECKING:
    from flame.pipelines.inspect import InspectRow

Sequences = Annotated[
    Path | None,
    typer.Option(help="Table of sequences: series_uid (from inspect --json), sequence."),
]
RoiNames = Annotated[
    Path | None,
    typer.Option(help="Table of the centre's structure names, with columns name and region."),
]
Dates = Annotated[
    Path | None,
    typer.Option(help="Table of days: study (study_uid of inspect --json), date (YYYY-MM-DD)."),
]


@app.command()
def simulate(
    folder: Annotated[Path, typer.Argument(metavar="OUT", help="New folder to write to.")],
    centres: Annotated[int, typer.Option(min=1, help="Number of hospitals.")] = 3,
    patients: Annotated[int, typer.Option(min=1, help="Patients per hospital.")] = 8,
    spacing: Annotated[float, typer.Option(help="Voxel size of the scanners in mm.")] = 2.0,
    seed: Annotated[
        int, typer.Option(min=0, help="Random seed: the same seed gives the same bytes.")
    ] = 0,
    jobs: Annotated[int, typer.Option(min=1, help="Parallel processes.")] = 2,
    planning: Annotated[
        str,
        typer.Option(help="Images that radiotherapy is planned on: mr, ct, ct-registered, mixed."),
    ] = "mixed",
    day: Annotated[
        list[int] | None,
        typer.Option(help="Imaging day from the start of radiotherapy; can be repeated."),
    ] = None,
    pseudoprogression: Annotated[
        bool, typer.Option(help="Some tumours seem to grow after radiotherapy and then recede.")
    ] = False,
    lifelike: Annotated[
        bool, typer.Option(help="Temozolomide follows radiotherapy, and readers differ.")
    ] = False,
) -> None:
    """Write simulated hospitals as DICOM folders, and their true tumours."""
    from flame.pipelines import simulate as pipeline

    config = pipeline.SimulateConfig(
        str(folder),
        centres,
        patients,
        spacing,
        seed,
        tuple(day) if day else pipeline.SimulateConfig.imaging_days,
        jobs,
        planning,
        pseudoprogression,
        lifelike,
    )
    with bars() as show:
        pipeline.run(config, lambda done, total: show("simulate", done, total))
    out.print(f"{centres} simulated hospitals in {folder}; true tumours in {folder / 'truth'}")


@app.command()
def inspect(
    dicom: Annotated[
        Path, typer.Argument(metavar="DICOM", exists=True, help="Folder of DICOM files.")
    ],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for programs.")] = False,
    sequences: Sequences = None,
    dates: Dates = None,
    patients: Annotated[bool, typer.Option("--patients", help="Show each PatientID.")] = False,
    roi_names: RoiNames = None,
) -> None:
    """List the content of a DICOM folder, and what is refused and why."""
    from flame.pipelines import inspect as pipeline

    with bars() as show:
        report, rows = pipeline.run(
            dicom,
            lambda done, total: show("headers", done, total),
            sequences,
            dates,
            patients,
            roi_names,
        )
    if as_json:
        # JSON has no NaN: null stands for it.
        plain = [{k: None if v != v else v for k, v in asdict(row).items()} for row in rows]
        print(json.dumps(plain, indent=2, allow_nan=False))
    else:
        columns = ["patient", "date", "series", "taken as", "geometry", "why"]
        shown = [[r.patient, r.day, r.series, r.verdict, r.geometry, _why(r, dicom)] for r in rows]
        table(f"{dicom}", columns, shown)
        taken = [s for s in report.series if s.taken]
        out.print(
            f"{len(taken)} of {len(report.series)} MR series accepted, on {len(report.studies())} "
            f"days of {len({s.patient_id for s in taken})} patients"
        )
        for file in report.unreadable[:20]:
            out.print(
                shown_lines(f"skipped: {file.path}: {file.reason}"), soft_wrap=True, markup=False
            )
        if len(report.unreadable) > 20:
            out.print(f"... and {len(report.unreadable) - 20} more files skipped")
    if not any(s.taken for s in report.series) and not report.radiotherapy:
        raise SystemExit(2)


def _why(row: "InspectRow", dicom: Path) -> str:
    """Return the reason of a row; a refused series is named with its folder."""
    if row.verdict != "refused" or not row.folder:
        return row.reason
    folder = Path(row.folder)
    inside = folder.relative_to(dicom) if folder.is_relative_to(dicom) else folder
    return f"{row.reason} [{inside}]"


@app.command()
def preprocess(
    dicom: Annotated[
        Path, typer.Argument(metavar="DICOM", exists=True, help="Folder of DICOM files.")
    ],
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
        Path | None, typer.Option(help="Pseudonym key; made next to DICOM if absent.")
    ] = None,
    sequences: Sequences = None,
    dates: Dates = None,
    masks: Annotated[
        Path | None, typer.Option(help="Folder of brain masks PatientID_YYYYMMDD[-2].nii.gz.")
    ] = None,
    tumours: Annotated[
        Path | None,
        typer.Option(help="Folder of tumour masks, named like brain masks, on the grid of T1c."),
    ] = None,
    roi_names: RoiNames = None,
    scheduler: Annotated[
        str | None, typer.Option(help="Dask scheduler, such as tcp://host:8786.")
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option(help="TOML file of stage parameters (docs/reference/configuration.md)."),
    ] = None,
    overrides: Overrides = None,
    plugin: Plugins = None,
) -> None:
    """Convert a DICOM folder to BIDS derivatives; a second run skips finished days."""
    from flame.core.config import load_config
    from flame.pipelines import preprocess as pipeline
    from flame.preprocessing.config import StageConfig

    load_plugins(plugin or [])
    spacing_override = [f"spacing={spacing}"] * (spacing is not None)
    stages = load_config(StageConfig, config, [*spacing_override, *(overrides or [])])

    def text(path: Path | None) -> str | None:
        return str(path) if path else None

    settings = pipeline.PreprocessConfig(
        str(dicom),
        str(folder),
        stages,
        jobs,
        text(clinical),
        text(treatments),
        text(key),
        text(sequences),
        text(masks),
        scheduler,
        text(tumours),
        text(dates),
        text(roi_names),
    )
    with bars() as show:
        result = pipeline.run(settings, lambda done, total: show("preprocess", done, total))
    columns = ["subject", "session", "day", "status", "sequences", "brain ml", "quality", "note"]
    rows = [
        [
            r.subject,
            r.session,
            str(r.day),
            r.status,
            r.sequences,
            f"{r.brain_ml:.0f}",
            r.quality,
            f"{r.note} {r.path}".strip(),
        ]
        for r in result.studies
    ]
    table(f"{folder}", columns, rows)
    warn(result.warnings)
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
            help="cfb-gbm, lumiere, sailor, mu-glioma-post, ucsf-alptdg, upenn-gbm, brats, nifti.",
        ),
    ],
    download: Annotated[
        Path,
        typer.Argument(
            metavar="DOWNLOAD", exists=True, help="Folder of the download; for nifti, a table."
        ),
    ],
    folder: Annotated[
        Path, typer.Argument(metavar="OUT", help="Output folder; each centre gets a subfolder.")
    ],
    spacing: Annotated[float, typer.Option(help="Voxel size of the output in mm.")] = 1.0,
    jobs: Annotated[int, typer.Option(min=1, help="Parallel processes.")] = 2,
    centre: Annotated[
        list[str] | None, typer.Option(help="Only this centre; can be repeated.")
    ] = None,
    check: Annotated[bool, typer.Option(help="Only list what the download has and lacks.")] = False,
    overrides: Overrides = None,
    plugin: Plugins = None,
) -> None:
    """Preprocess a downloaded public data set, or a table of NIfTI files, by centre."""
    from flame.core.config import load_config
    from flame.pipelines import import_dataset as pipeline
    from flame.preprocessing.config import StageConfig

    load_plugins(plugin or [])
    if check:
        out.print(pipeline.as_json(pipeline.read(name, download)), highlight=False)
        return
    stages = load_config(StageConfig, None, [f"spacing={spacing}", *(overrides or [])])
    config = pipeline.ImportConfig(
        name, str(download), str(folder), stages, jobs, tuple(centre or ())
    )
    with bars() as show:
        result = pipeline.run(config, lambda done, total: show("import", done, total))
    warn(result.missing)
    rows = [
        [c, r.subject, r.session, str(r.day), r.status, r.note]
        for c, studies in result.studies.items()
        for r in studies
        if r.status == "failed"
    ]
    if rows:
        table("Days that failed", ["centre", "subject", "session", "day", "status", "why"], rows)
    finished = sum(r.status != "failed" for days in result.studies.values() for r in days)
    out.print(f"{finished} days of {len(result.studies)} centres are in {folder}.")
    out.print(f"Cite: {result.source}. Licence: {result.licence}.")
    if not finished:
        raise SystemExit(1)


@app.command()
def harmonise(
    source: Annotated[
        Path,
        typer.Argument(
            metavar="SOURCE", exists=True, help="Folder of preprocessed centres, or a table."
        ),
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
    """Harmonise centres: Nyul landmarks for images, ComBat for the features of a table."""
    from flame.pipelines import harmonise as pipeline

    if source.is_dir():
        result = pipeline.fit_landmarks(source, target)
    else:
        names = [
            [n.strip() for n in text.split(",") if n.strip()] for text in (features, covariates)
        ]
        result = pipeline.harmonise_table(source, target, centre_column, *names)
    table(f"{source}", ["centre", "summarised"], [list(row) for row in result.rows])
    out.print(f"Written: {result.path}", soft_wrap=True)


@app.command()
def assess(
    centre: Annotated[
        Path, typer.Argument(metavar="CENTRE", exists=True, help="A preprocessed centre.")
    ],
    criteria: Annotated[
        str, typer.Option(help="rano-2.0-volume, rano-2.0 or rano-2010.")
    ] = "rano-2.0-volume",
) -> None:
    """Rate every day with a tumour mask by RANO, with reasons; write progression-free survival."""
    from flame.pipelines import assess as pipeline

    with bars() as show:
        result = pipeline.run(centre, criteria, lambda done, total: show("assess", done, total))
    rows = [
        [name, str(a.burden.day), f"{a.burden.size:g}", str(a.rating), a.why]
        for name, ratings in result.ratings.items()
        for a in ratings
    ]
    table(f"{centre}: {criteria}", ["subject", "day", "size", "rating", "why"], rows)
    warn(f"{name}: {reason}" for name, reason in result.left_out.items())
    progressed = sum(end.progressed for end in result.progressions.values())
    out.print(
        f"{progressed} of {len(result.progressions)} progressed or died. Steroid dose and clinical "
        f"status are unknown and do not count. Written: {centre}/response.tsv, progression.tsv"
    )


@app.command()
def replan(
    patient: Annotated[
        Path,
        typer.Argument(
            metavar="PATIENT", exists=True, help="DICOM folder of one patient, with a planning CT."
        ),
    ],
    target: Annotated[
        Path, typer.Argument(metavar="OUT", help="New folder; it gets a folder per radiation.")
    ],
    python: Annotated[
        str, typer.Option(help="Python of an environment that has pyRadPlan.")
    ] = "python3",
    radiation: Annotated[
        list[Radiation] | None, typer.Option(help="Radiation; can be repeated (default: all).")
    ] = None,
    course: Annotated[
        str, typer.Option(metavar="GY/FRACTIONS", help="Prescription, in Gy(RBE) for ions.")
    ] = "60/30",
) -> None:
    """Plan a patient for each radiation with pyRadPlan; research plans, not for treatment."""
    from flame.pipelines import replan as pipeline

    chosen = tuple(dict.fromkeys(radiation or Radiation))
    try:
        gy, fractions = course.split("/")
        config = pipeline.ReplanConfig(
            str(patient), str(target), python, chosen, float(gy), int(fractions)
        )
    except ValueError:
        raise BadInput(f"course '{course}': write GY/FRACTIONS, such as 60/30") from None
    with bars() as show:
        begun = iter(range(len(chosen)))
        plans = pipeline.run(config, lambda name: show(f"plan {name}", next(begun), len(chosen)))
    columns = ["plan", "D95 of the target", "D2", "mean dose to the brain", "goals"]
    rows = [
        [
            str(p.radiation),
            f"{p.goals['D95']:.1%}",
            f"{p.goals['D2']:.1%}",
            f"{p.goals['brain mean Gy']:.1f} Gy",
            "met" if p.met else "not met",
        ]
        for p in plans
    ]
    table("Research plans, not clinical", columns, rows)
    out.print(
        f"Next: flame preprocess {target}/RADIATION with one pseudonym key for all, then flame "
        "predict --plan RADIATION=FOLDER."
    )
