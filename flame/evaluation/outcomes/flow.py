"""Flow of patients: how many were read, who was left out by which rule, and who was analysed."""

from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from flame.core.cohort import Cohort
from flame.evaluation.pages.figures import to_svg
from flame.evaluation.pages.sections import Cell, Section
from flame.models.response.inputs import Inputs

UNKNOWN = "outcome unknown"
"""Name of the step of patients who stay for survival figures at most."""


def flow_section(cohorts: list[Cohort], inputs: list[Inputs]) -> Section:
    """Build the section with the flow diagram, as STROBE and TRIPOD ask for.

    Args:
        cohorts: cohort of each centre.
        inputs: patients of each centre as the task uses them, in the same order.

    Returns:
        A table with a row per hospital, and the diagram over all of them.
    """
    rules = list(dict.fromkeys(rule for cohort in cohorts for rule in cohort.excluded))
    rows = []
    for cohort, used in zip(cohorts, inputs, strict=True):
        out = [cohort.excluded.get(rule, 0) for rule in rules]
        known = len(used.labelled)
        read = len(cohort.patients) + sum(out)
        rows.append([read, *out, len(cohort.patients) - known, known])
    totals = [sum(column) for column in zip(*rows, strict=True)]
    steps = [*rules, UNKNOWN]
    table: list[list[str | Cell]] = [
        [c.centre, *map(str, row)] for c, row in zip(cohorts, rows, strict=True)
    ]
    return Section(
        "flow",
        "Flow of patients",
        "Rules apply in this order, from left to right.",
        ["hospital", "read", *steps, "analysed"],
        table,
        Markup(to_svg(_diagram(totals, steps), "flow")),
    )


def _diagram(totals: list[int], steps: list[str]) -> Figure:
    """Draw boxes from those who were read down to those analysed, with who leaves beside them."""
    leaving = [(s, n) for s, n in zip(steps, totals[1:-1], strict=True) if n]
    figure = Figure(figsize=(6.4, 0.7 + 0.75 * (len(leaving) + 1)), layout="constrained")
    axis = figure.add_subplot()
    axis.set(xlim=(0, 10), ylim=(-len(leaving) - 1.5, 0.5))
    axis.axis("off")
    _box(axis, 2.2, 0, f"read: {totals[0]}")
    for number, (step, count) in enumerate(leaving, 1):
        axis.annotate("", (5.1, -number), (2.2, -number), arrowprops={"arrowstyle": "->"})
        _box(axis, 7.4, -number, f"{step}: {count}")
    end = -len(leaving) - 1
    axis.annotate("", (2.2, end + 0.3), (2.2, -0.3), arrowprops={"arrowstyle": "->"})
    _box(axis, 2.2, end, f"analysed: {totals[-1]}")
    return figure


def _box(axis: Axes, x: float, y: float, text: str) -> None:
    style = {"boxstyle": "round,pad=0.4", "facecolor": "#f1f5f9", "edgecolor": "#1f6fb2"}
    axis.text(x, y, text, ha="center", va="center", fontsize=8, bbox=style, wrap=True)
