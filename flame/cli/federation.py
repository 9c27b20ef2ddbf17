"""Commands of a real federation."""

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from flame.cli.console import Overrides, app, bars, err, out, table
from flame.core.shown import shown_lines

Kit = Annotated[
    Path, typer.Argument(metavar="KIT", exists=True, help="Start-up kit from flame provision.")
]
DashboardPort = Annotated[
    int | None,
    typer.Option(
        "--dashboard", min=0, max=65_535, help="Port of a page on this machine (0: any free one)."
    ),
]
ProjectFile = Annotated[
    Path,
    typer.Argument(metavar="PROJECT", exists=True, dir_okay=False, help="TOML: name, host, sites."),
]


def _print_line(text: str) -> None:
    err.print(escape(shown_lines(text)), soft_wrap=True, highlight=False)


@app.command()
def provision(
    project: ProjectFile,
    folder: Annotated[
        Path, typer.Option("--out", help="Folder of kits; a later run can add more.")
    ],
) -> None:
    """Make start-up kits with certificates for the server, the admin and every hospital."""
    from flame.pipelines import provision as pipeline

    made = pipeline.run(project, folder)
    table(f"{folder}", ["new kit", "start it with"], [[k.name, _start(k)] for k in made])
    out.print(f"Keep {folder / 'authority'} secret: its key signs certificates.")


@app.command()
def request(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name of the hospital's site.")],
    kit: Annotated[Path, typer.Option(help="New folder of the kit, or a kit to renew.")],
) -> None:
    """Make a hospital's private key, and a request that the admin signs."""
    from flame.federation.flare.keys import request as make

    written = make(kit, name)
    out.print(f"Send {written} to the admin; it is no secret. The key stays in {kit}.")


@app.command()
def sign(
    project: ProjectFile,
    requests: Annotated[
        list[Path],
        typer.Argument(metavar="REQUEST...", exists=True, help="Files of flame request."),
    ],
    folder: Annotated[Path, typer.Option("--out", help="Folder of kits, with the authority.")],
) -> None:
    """Sign the requests of hospitals: kits without a private key, to send back."""
    from flame.pipelines import provision as pipeline

    made = pipeline.run(project, folder, requests)
    table(f"{folder}", ["new kit"], [[k.name] for k in made])
    out.print("Send each kit to its hospital, which runs: flame accept KIT SIGNED")


@app.command()
def accept(
    kit: Annotated[Path, typer.Argument(metavar="KIT", exists=True, help="As for flame request.")],
    signed: Annotated[
        Path, typer.Argument(metavar="SIGNED", exists=True, help="Kit that the admin sent.")
    ],
) -> None:
    """Put a signed kit and its private key together; policy, budget and logs stay."""
    from flame.federation.flare.keys import accept as put

    put(kit, signed)
    out.print(f"Ready: flame join {kit} --data FOLDER")


def _start(kit: Path) -> str:
    return {"server": "flame serve KIT", "admin": "flame submit CONFIG --kit KIT --out RUN"}.get(
        kit.name, "flame join KIT --data FOLDER"
    )


@app.command()
def check(
    kit: Annotated[Path, typer.Argument(metavar="KIT", exists=True, help="Any start-up kit.")],
    data: Annotated[Path | None, typer.Option(help="Data of the hospital, as for join.")] = None,
    config: Annotated[
        Path | None,
        typer.Option(exists=True, dir_okay=False, help="A run to compare policy and data with."),
    ] = None,
) -> None:
    """Check a kit, its way to the server, and a hospital's data, before anything is started."""
    from flame.core.config import load_config
    from flame.federation.config import TrainConfig
    from flame.pipelines import check as pipeline
    from flame.streams.config import StreamConfig

    settings: TrainConfig | StreamConfig | None = None
    if config and _is_stream(config):
        settings = load_config(StreamConfig, config, [])
    elif config:
        settings = load_config(TrainConfig, config, [])
    found = list(pipeline.run(kit, data, settings))
    table(f"{kit}", ["what", "", "found"], [[f.what, f.level, f.words] for f in found])
    if any(f.level == "fault" for f in found):
        raise typer.Exit(1)


@app.command()
def serve(kit: Kit, dashboard: DashboardPort = None) -> None:
    """Run the server of a federation until Ctrl-C; say who joins, leaves and is refused."""
    from flame.pipelines import serve as pipeline

    pipeline.run(kit, _print_line, dashboard)


@app.command()
def join(
    kit: Kit,
    data: Annotated[
        Path, typer.Option(help="OUT of flame preprocess at this hospital, or its table.")
    ],
    dashboard: DashboardPort = None,
) -> None:
    """Take part in a federation until Ctrl-C; show what is sent and log it in sent.log."""
    from flame.pipelines import join as pipeline

    pipeline.run(kit, data, _print_line, dashboard)


@app.command()
def submit(
    config: Annotated[
        Path,
        typer.Argument(
            metavar="CONFIG",
            exists=True,
            dir_okay=False,
            help="TOML configuration, as for flame train or flame stream.",
        ),
    ],
    kit: Annotated[Path, typer.Option(help="Kit of the admin.")],
    folder: Annotated[Path, typer.Option("--out", metavar="RUN", help="Run folder.")],
    patience: Annotated[
        float, typer.Option(help="Seconds to wait for sites that are not connected.")
    ] = 600,
    further: Annotated[
        bool, typer.Option("--continue", help="Go on with more rounds or more sites.")
    ] = False,
    overrides: Overrides = None,
) -> None:
    """Train, or learn from a stream, in a real federation; a second run continues."""
    from flame.core.config import load_config
    from flame.federation.config import TrainConfig
    from flame.federation.history import in_a_line
    from flame.pipelines import submit as pipeline

    if _is_stream(config):
        _submit_stream(config, kit, folder, patience, overrides or [])
        return
    settings = load_config(TrainConfig, config, overrides or [])
    with bars() as show:
        shown: list[str] = []

        def show_progress(news: dict[str, Any]) -> None:
            show("federated", news.get("done", 0), news.get("total", 1))
            if news.get("to_evaluate"):
                show("every model at every site", news["evaluated"], news["to_evaluate"])
            latest = in_a_line(news.get("latest", []))
            if latest and latest not in shown[-1:]:
                shown.append(latest)
                _print_line(latest)

        where = pipeline.run(settings, kit, folder, show_progress, _print_line, patience, further)
    out.print(where)


def _is_stream(config: Path) -> bool:
    """Whether a configuration is one of flame stream: it has a table, and no patients."""
    import tomllib

    try:
        keys = set(tomllib.loads(config.read_text(encoding="utf-8")))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError):
        return False  # load_config says what is wrong
    return "table" in keys and not {"data", "task"} & keys


def _submit_stream(
    config: Path, kit: Path, folder: Path, patience: float, overrides: list[str]
) -> None:
    from flame.core.config import load_config
    from flame.pipelines import submit_stream as pipeline
    from flame.streams.config import StreamConfig

    settings = load_config(StreamConfig, config, overrides)
    with bars() as show:

        def show_progress(news: dict[str, Any]) -> None:
            show("steps", news.get("done", 0), news.get("total", 1))

        where = pipeline.run(settings, kit, folder, show_progress, _print_line, patience)
    out.print(where, soft_wrap=True)


@app.command()
def status(kit: Kit) -> None:
    """Show the connected sites and the newest jobs; KIT is that of the admin."""
    from flame.pipelines import status as pipeline

    federation = pipeline.run(kit)
    out.print(f"Connected: {', '.join(federation.sites) or 'no site'}")
    rows = [[job[c] for c in ("name", "status", "submitted")] for job in federation.jobs]
    table("Jobs", ["name", "status", "submitted"], rows)


@app.command()
def revoke(
    site: Annotated[str, typer.Argument(metavar="SITE", help="Name of the site.")],
    kit: Annotated[Path, typer.Option(help="Kit of the admin.")],
    undo: Annotated[bool, typer.Option("--undo", help="Let the site in again.")] = False,
) -> None:
    """Keep a site out of a federation at once, for example after the theft of its kit."""
    from flame.pipelines import revoke as pipeline

    was_there = pipeline.run(kit, site, undo)
    if undo:
        out.print(f"{site} can join again.")
        return
    out.print(f"The server refuses {site} from now on; running jobs were ended.")
    if not was_there:
        out.print(f"No site {site} was connected: check the name.")
