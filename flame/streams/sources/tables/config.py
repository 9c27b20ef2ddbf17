"""Which rows of which tables make a stream, and what is to be told from them."""

import glob
from dataclasses import dataclass, field
from pathlib import Path

from flame.core.errors import BadInput


@dataclass(frozen=True)
class TableConfig:
    """Rows with a time and a site, and what is to be told from their features.

    ``files`` may hold * and ?, and end in .gz. ``time_columns`` is one column of dates or numbers,
    or year, month, day, hour; without any each file is a time, in the order given. ``site_column``
    names the node; without it each file is a node, or rows are dealt to ``deal`` nodes.
    ``subject_column`` says which rows are of one patient (station, machine): they are dealt to the
    same node, and ``ahead`` looks among them. A step holds ``step`` days, or units of a time that
    is a number; ``parts`` cuts each into so many.

    The outcome is 1 where it is ``above`` a number or one of ``positive``, else every value is a
    class, 1 and 1.0 the same; ``among`` says which values count. ``ahead`` takes it from hours
    (units) later, of the same node and subject.
    Features are scaled by the mean and deviation of all nodes' first step, a missing one is the
    mean; ``cyclic`` gives features that start again their period. Nodes with more than ``rows`` a
    step keep as many, evenly spaced. ``places`` are latitude and longitude of nodes in degrees.
    """

    files: tuple[str, ...] = ()
    outcome: str = ""
    features: tuple[str, ...] = ()
    time_columns: tuple[str, ...] = ()
    site_column: str = ""
    deal: int = 0
    subject_column: str = ""
    step: float = 30.0
    parts: int = 1
    above: float | None = None
    positive: tuple[str, ...] = ()
    among: tuple[str, ...] = ()
    ahead: float = 0.0
    cyclic: dict[str, float] = field(default_factory=dict)
    missing: tuple[str, ...] = ()
    rows: int = 0
    places: dict[str, tuple[float, ...]] = field(default_factory=dict)
    simulated: bool = False

    def __post_init__(self) -> None:
        for holds, message in (
            (not self.files or (self.outcome and self.features), "table: set outcome and features"),
            (self.step > 0 and self.parts >= 1, "table.step: above 0; table.parts: 1 or more"),
            (self.above is None or not self.positive, "table: above or positive, not both"),
            (min(self.ahead, self.rows, self.deal) >= 0, "table.ahead, rows and deal: 0 or more"),
            (not self.ahead or self.time_columns, "table.ahead needs table.time_columns"),
            (
                not self.files or self.time_columns or self.site_column or self.deal,
                "table: each file would be a node and a time; name time_columns or site_column, or "
                "set deal",
            ),
            (
                not self.subject_column or self.deal or self.ahead,
                "table.subject_column goes with table.deal or table.ahead",
            ),
            (
                all(
                    len(at) == 2 and abs(at[0]) <= 90 and abs(at[1]) <= 360
                    for at in self.places.values()
                ),
                "table.places: latitude from -90 to 90, then longitude, in degrees",
            ),
            (
                self.outcome not in self.features or self.ahead > 0,
                "table.features holds the outcome: it would be known to the model",
            ),
            (min(self.cyclic.values(), default=1) > 0, "table.cyclic: periods above 0"),
            (not (self.site_column and self.deal), "table: site_column or deal, not both"),
        ):
            if not holds:
                raise BadInput(message)

    @property
    def raw(self) -> list[str]:
        """The columns that features are made of."""
        return list(dict.fromkeys([*self.features, *self.cyclic]))


def paths_of(config: TableConfig) -> list[Path]:
    """The files, those that a pattern stands for in order of name."""
    found = [path for name in config.files for path in sorted(glob.glob(name)) or [name]]
    return [Path(path) for path in dict.fromkeys(found)]
