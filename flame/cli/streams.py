"""The command for streams that drift."""

from pathlib import Path
from typing import Annotated

import typer

from flame.cli.console import Overrides, Plugins, app, bars, out, table, warn
from flame.core.plugins import load_plugins


@app.command()
def stream(
    config: Annotated[
        Path,
        typer.Argument(metavar="CONFIG", exists=True, dir_okay=False, help="TOML configuration."),
    ],
    folder: Annotated[Path, typer.Option("--out", metavar="RUN", help="Run folder.")],
    jobs: Annotated[int, typer.Option(min=1, help="Parallel processes.")] = 1,
    engine: Annotated[
        str,
        typer.Option(help="flare: every node in a process of its own; default: sites.engine."),
    ] = "",
    overrides: Overrides = None,
    plugin: Plugins = None,
) -> None:
    """Compare methods on streams that drift, with a server or peer to peer; write stream.html."""
    from flame.core.config import load_config
    from flame.pipelines import stream as pipeline
    from flame.streams.config import StreamConfig

    load_plugins(plugin or [])
    chosen = [f"sites.engine={engine}"] if engine else []
    settings = load_config(StreamConfig, config, [*(overrides or []), *chosen])
    with bars() as show:
        result = pipeline.run(settings, folder, show, jobs)
    kind = "SIMULATED" if result.simulated else "real"
    columns = ["method", "accuracy", "balanced", "worst", "kB", "gradients"]
    rows = [
        [
            m,
            _shown(f["accuracy"]),
            _percent(f["balanced"].value),
            _percent(f["worst_node"].value),
            f"{f['bytes'].value / 1e3:.0f}",
            f"{f['gradients'].value:.2g}",
        ]
        for m, f in result.summary.items()
    ]
    table(
        f"Accuracy before training on each step, % (95 % interval over seeds), that of the worst "
        f"node, and kB sent and gradients computed by a node: {kind}",
        columns,
        rows,
    )
    warn(result.warnings)
    out.print(f"Report: {result.html}", soft_wrap=True)


def _shown(figure: "tuple[float, float, float]") -> str:
    value, low, high = figure
    if low != low:
        return _percent(value)
    return f"{_percent(value)} ({_percent(low)}-{_percent(high)})"


def _percent(value: float) -> str:
    return "none" if value != value else f"{100 * value:.1f}"
