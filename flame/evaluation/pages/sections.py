"""Parts of a page: cells, sections, and the content of a report."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from markupsafe import Markup

from flame.core.scores import GeneralisationReport
from flame.federation.task import Row, Task


@dataclass(frozen=True)
class Cell:
    """A cell of a table.

    Args:
        text: the value, or the reason why it is undefined.
        interval: the interval, shown in a smaller font.
        colour: CSS background colour; empty: none.
        empty: whether the cell has no value.
    """

    text: str
    interval: str = ""
    colour: str = ""
    empty: bool = False


def figure_cell(value: float, low: float, high: float, reason: str = "", colour: str = "") -> Cell:
    """Build a cell with a value and its interval, or with the reason why it is undefined.

    Args:
        value: the value; NaN where undefined.
        low: lower bound of the interval.
        high: upper bound of the interval.
        reason: why the value is undefined.
        colour: CSS background colour; empty: none.

    Returns:
        The cell, with two decimals.

    Example:
        >>> figure_cell(0.713, 0.62, 0.8)
        Cell(text='0.71', interval='0.62 to 0.80', colour='', empty=False)
    """
    if not np.isfinite(value):
        return Cell(reason, empty=True)
    return Cell(f"{value:.2f}", f"{low:.2f} to {high:.2f}", colour)


def headings(names: Iterable[str]) -> list[str]:
    """Return the headings of a table of centres, with "hospital", the word of user texts.

    Args:
        names: names of the columns.

    Returns:
        The names, with "centre" replaced by "hospital".

    Example:
        >>> headings(["centre", "patients"])
        ['hospital', 'patients']
    """
    return ["hospital" if name == "centre" else name for name in names]


@dataclass(frozen=True)
class Section:
    """A section of a page: a title with a note, and a table, a figure or both.

    Args:
        id: HTML id.
        title: heading.
        note: text below the heading.
        columns: headings of the table.
        rows: cells of the table.
        figure: figure as SVG.
        folded: whether the section is closed until the reader opens it.
        links: paths of further pages, relative to this one, by the text of the link.
        footnotes: lines below the table.
    """

    id: str
    title: str
    note: str = ""
    columns: Sequence[str] = ()
    rows: Sequence[Sequence[str | Cell]] = field(default_factory=list)
    figure: Markup = Markup("")
    folded: bool = False
    links: Mapping[str, str] = field(default_factory=dict)
    footnotes: Sequence[str] = ()


_SHORT = 16
"""Length of a reason from which on it stands below the table and not in its cell."""


def footnoted(section: Section) -> Section:
    """Move long reasons for missing values from the cells of a table to lines below it.

    Args:
        section: section of a page.

    Returns:
        The section, in which equal reasons share one number.

    Example:
        >>> reason = "fewer than ten patients"
        >>> moved = footnoted(Section("s", "S", rows=[[Cell(reason, empty=True)]]))
        >>> moved.rows[0][0].text, moved.footnotes
        ('n/a (1)', ['(1) fewer than ten patients'])
    """
    numbers: dict[str, int] = {}

    def short(cell: str | Cell) -> str | Cell:
        if isinstance(cell, str) or not cell.empty or len(cell.text) <= _SHORT:
            return cell
        number = numbers.setdefault(cell.text, len(numbers) + 1)
        return replace(cell, text=f"n/a ({number})")

    rows = [[short(cell) for cell in row] for row in section.rows]
    notes = [f"({number}) {reason}" for reason, number in numbers.items()]
    return replace(section, rows=rows, footnotes=[*section.footnotes, *notes])


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Content of the report of a run.

    Args:
        task: task of the run.
        report: scores and differences.
        counts: one row for each centre.
        sections: sections of the task.
        limits: notes on how to read the report.
        warnings: warnings at the top.
    """

    task: Task[Any]
    report: GeneralisationReport
    counts: list[Row]
    sections: list[Section] = field(default_factory=list)
    limits: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
