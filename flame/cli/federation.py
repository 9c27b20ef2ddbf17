"""Commands of a real federation."""

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from flame.cli.console import Overrides, app, bars, err, out, table

Kit = Annotated[Path, typer.Argument(metavar="KIT", help="A start-up kit of flame provision.")]


def _say(text: str) -> None:
    err.print(escape(text), soft_wrap=True, highlight=False)


@app.command()
def provision(
    project: Annotated[Path, typer.Argument(metavar="PROJECT", help="TOML: name, host, sites.")],
    folder: Annotated[Path, typer.Option("--out", help="Folder of kits; more can be added.")],
) -> None:
    """Make start-up kits with certificates for the server, the lead and every hospital."""
    from flame.pipelines import provision as pipeline

    made = pipeline.run(project, folder)
    table(f"{folder}", ["new kit", "start it with"], [[k.name, _start(k)] for k in made])
    out.print(f"Keep {folder / 'authority'} to yourself: its key signs certificates.")


def _start(kit: Path) -> str:
    return {"server": "flame serve KIT", "lead": "flame submit CONFIG --kit KIT --out RUN"}.get(
        kit.name, "flame join KIT --data FOLDER"
    )


@app.command()
def serve(kit: Kit) -> None:
    """Run the server of a federation until Ctrl-C."""
    from flame.pipelines import serve as pipeline

    pipeline.run(kit, _say)


@app.command()
def join(
    kit: Kit,
    data: Annotated[Path, typer.Option(help="This hospital's OUT of preprocess, or its table.")],
) -> None:
    """Take part in a federation until Ctrl-C; what is sent is shown and kept in sent.log."""
    from flame.pipelines import join as pipeline

    pipeline.run(kit, data, _say)


@app.command()
def submit(
    config: Annotated[Path, typer.Argument(metavar="CONFIG", help="As of flame train.")],
    kit: Annotated[Path, typer.Option(help="The lead's kit.")],
    folder: Annotated[Path, typer.Option("--out", metavar="RUN", help="Run folder.")],
    patience: Annotated[float, typer.Option(help="Seconds to wait for who is away.")] = 600,
    overrides: Overrides = None,
) -> None:
    """Train in a real federation; run again, it goes on from the last round."""
    from flame.core.config import load_config
    from flame.federation.config import TrainConfig
    from flame.federation.history import in_a_line
    from flame.pipelines import submit as pipeline

    settings = load_config(TrainConfig, config, overrides or [])
    with bars() as show:
        shown: list[str] = []

        def told(news: dict[str, Any]) -> None:
            show("federated", news.get("done", 0), news.get("total", 1))
            if news.get("to_evaluate"):
                show("every model at every site", news["evaluated"], news["to_evaluate"])
            latest = in_a_line(news.get("latest", []))
            if latest and latest not in shown[-1:]:
                shown.append(latest)
                _say(latest)

        where = pipeline.run(settings, kit, folder, told, _say, patience)
    out.print(where)


@app.command()
def status(kit: Kit) -> None:
    """Show which sites are connected, and the newest jobs; with the lead's kit."""
    from flame.pipelines import status as pipeline

    found = pipeline.run(kit)
    out.print(f"Connected: {', '.join(found.sites) or 'nobody'}")
    rows = [[job[c] for c in ("name", "status", "submitted")] for job in found.jobs]
    table("Jobs", ["name", "status", "submitted"], rows)
