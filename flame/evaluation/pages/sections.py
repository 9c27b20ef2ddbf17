"""What a page is made of: cells, sections, and all that a report of a run needs."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from markupsafe import Markup

from flame.core.scores import GeneralisationReport
from flame.federation.task import Row, Task


@dataclass(frozen=True)
class Cell:
    """A figure of a table, its interval, and a background; ``empty`` where there is none."""

    text: str
    interval: str = ""
    colour: str = ""
    empty: bool = False


def figure_cell(value: float, low: float, high: float, reason: str = "", colour: str = "") -> Cell:
    """A figure with its interval, or the reason why there is none."""
    if not np.isfinite(value):
        return Cell(reason, empty=True)
    return Cell(f"{value:.2f}", f"{low:.2f} to {high:.2f}", colour)


@dataclass(frozen=True)
class Section:
    """A title with a note, and a table or an SVG ``figure`` or both; ``folded`` until opened."""

    id: str
    title: str
    note: str = ""
    columns: Sequence[str] = ()
    rows: Sequence[Sequence[str | Cell]] = field(default_factory=list)
    figure: Markup = Markup("")
    folded: bool = False


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Everything a report is made from; ``counts`` is a row a centre, ``sections`` the task's."""

    task: Task[Any]
    report: GeneralisationReport
    counts: list[Row]
    sections: list[Section] = field(default_factory=list)
    limits: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
