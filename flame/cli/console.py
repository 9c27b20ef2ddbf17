"""The command-line application, and its output: tables, progress bars and warnings."""

import os
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from flame.core.scores import GeneralisationReport
from flame.core.shown import shown, shown_lines
from flame.core.version import __version__

app = typer.Typer(
    help="Federated learning from glioblastoma MRI: from DICOM folders to a per-centre report.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
out = Console(markup=False)  # texts may come from elsewhere
err = Console(stderr=True)
_VERBOSE = False
Plugins = Annotated[
    list[Path] | None,
    typer.Option("--plugin", help="Python file with a plug-in; can be repeated."),
]
Overrides = Annotated[
    list[str] | None,
    typer.Option("--set", help="Override a key: section.key=value; can be repeated."),
]


def _version(wanted: bool) -> None:
    if wanted:
        out.print(f"flame {__version__}", highlight=False)
        raise typer.Exit


@app.callback()
def common(
    verbose: Annotated[
        bool, typer.Option("--verbose", help="Print the traceback of an error.")
    ] = False,
    quiet: Annotated[
        bool, typer.Option("--quiet", help="Print errors only: no progress and no tables.")
    ] = False,
    version: Annotated[
        bool,
        typer.Option("--version", help="Print the version.", is_eager=True, callback=_version),
    ] = False,
) -> None:
    """Federated learning from glioblastoma MRI: from DICOM folders to a per-centre report."""
    global _VERBOSE
    _VERBOSE = verbose
    os.umask(0o077)  # what commands write shows patients, so that only its owner reads it
    out.quiet = quiet


def is_verbose() -> bool:
    """Return whether errors are printed with their tracebacks."""
    return _VERBOSE


_LINE_S = 60.0
"""Seconds between two lines of progress without a terminal."""


@contextmanager
def bars() -> Iterator[Callable[[str, int, int], None]]:
    """Yield a function that shows progress on standard error, in one bar per stage.

    Without a terminal, as in a log file, it prints a line a minute and one at the end of a stage.
    """
    if not err.is_terminal:
        yield _lines()
        return
    columns = (
        TextColumn("{task.description:<22}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=err, disable=out.quiet) as progress:
        tasks: dict[str, Any] = {}

        def show(stage: str, done: int, total: int) -> None:
            if stage not in tasks:
                tasks[stage] = progress.add_task(stage, total=total)
            progress.update(tasks[stage], completed=done, total=total)

        yield show


def _lines() -> Callable[[str, int, int], None]:
    finished = set[str]()
    printed = time.monotonic()

    def show(stage: str, done: int, total: int) -> None:
        nonlocal printed
        ended = done >= total and stage not in finished
        if out.quiet or not (ended or time.monotonic() - printed > _LINE_S):
            return
        err.print(f"{stage}: {done} of {total}", soft_wrap=True, highlight=False)
        printed = time.monotonic()
        if ended:
            finished.add(stage)

    return show


def warn(warnings_: Iterable[str]) -> None:
    """Print each warning on standard error."""
    for warning in warnings_:
        err.print(f"[yellow]Warning:[/] {escape(shown(warning))}", soft_wrap=True, highlight=False)


def table(title: str, columns: list[str], rows: list[list[str]]) -> None:
    """Print a table; names of up to 24 letters in the first column are not wrapped."""
    grid = Table(title=shown(title), title_justify="left")
    short = all(len(row[0]) <= 24 for row in rows)
    for column in columns:
        grid.add_column(column, overflow="fold", no_wrap=short and not grid.columns)
    for row in rows:
        grid.add_row(*(shown_lines(cell) for cell in row))
    out.print(grid)


def print_matrix(report: GeneralisationReport) -> None:
    """Print the main metric of a run by model and tested centre."""
    from flame.evaluation.metrics.metric import METRICS

    kind = "SIMULATED patients" if report.simulated else "real patients"
    rows: dict[tuple[str, str], dict[str, str]] = {}
    for s in report.scores:
        if s.metric == report.metric:
            origin = s.trained_on[0] if s.model == "local" else ""
            text = f"{s.value:.2f}\n{s.low:.2f}-{s.high:.2f}" if not s.reason else s.reason
            rows.setdefault((s.model, origin), {})[s.tested_on] = text
    table(
        f"{METRICS[report.metric].title} (95 % interval) by tested centre: {kind}",
        ["model", "trained on", *report.centres],
        [[*key, *(by.get(c, "") for c in report.centres)] for key, by in rows.items()],
    )
