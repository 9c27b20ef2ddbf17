"""Configuration of streams from tables."""

import glob
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

from annotated_types import Ge, Gt, Lt

from flame.core.config import Rule, Section
from flame.preprocessing.cohort.radiomics import expanded

SITE = "\0site"
"""Column with the node of a row; the leading NUL keeps it apart from columns of files."""
TIME = "\0time"
"""Column with the time of a row; the leading NUL keeps it apart from columns of files."""


@dataclass(frozen=True)
class TableConfig(Section):
    """Tables whose rows have a time, a site, features and an outcome to predict."""

    files: tuple[str, ...] = ()
    """CSV or ARFF files, also gzipped or alone in a zip archive, or folders of ``flame
    preprocess``; ``*`` and ``?`` are wildcards. Empty: no stream of tables."""
    columns: tuple[str, ...] = ()
    """Names of the columns of files without a header line."""
    outcome: str = ""
    """Column with the outcome."""
    features: tuple[str, ...] = ()
    """Columns with the numbers from which the outcome is predicted; for folders also families of
    radiomics features, such as ``radiomics.first-order``. Each is scaled by mean and standard
    deviation of its first values, at least 30 and not all equal, up to the end of a step; a missing
    value becomes the mean."""
    scale: Literal["all", "node"] = "all"
    """Whether these are the values of all nodes, or those of the node of a row alone."""
    time_columns: tuple[str, ...] = ()
    """One column of dates or numbers, or four: year, month, day and hour. Empty: each file is a
    point in time, in the order given."""
    site_column: str = ""
    """Column that names the node of a row. Empty: each file is a node, unless ``deal`` is set."""
    deal: Annotated[int, Ge(0)] = 0
    """Number of nodes to which rows, or subjects, are dealt in a random order; 0: not dealt."""
    subject_column: str = ""
    """Column that names the patient (station, machine) of a row. Rows of a subject are dealt to
    the same node, and ``ahead`` reads the outcome from rows of the same subject."""
    device_column: str = ""
    """Column that names the device of a row, such as the scanner: drift is also sought device by
    device. Folders of ``flame preprocess`` have ``scanner``."""
    step: Annotated[float, Gt(0)] = 30.0
    """Length of a step in days, or in units of a time that is a number."""
    start: str = ""
    """Date or number at which the first step begins; earlier rows are left out. Empty: the first
    time of all tables."""
    parts: Annotated[int, Ge(1)] = 1
    """Number of steps that each ``step``, or each file without a time, is cut into."""
    above: float | None = None
    """The class is 1 where the outcome is above this number."""
    below_quantile: Annotated[float, Gt(0), Lt(1)] | None = None
    """The class is 1 where the outcome is below this quantile of its season: of the values that the
    node had in the 31 days around the same day of all earlier years. Rows without 30 such values
    are left out, so that steps begin with the second year where no ``start`` is given."""
    positive: tuple[str, ...] = ()
    """The class is 1 where the outcome is one of these values; without ``above``,
    ``below_quantile`` and ``positive`` every value of the outcome is a class, and 1 and 1.0 are the
    same."""
    among: tuple[str, ...] = ()
    """Values of the outcome whose rows are used; empty: all."""
    ahead: Annotated[float, Ge(0)] = 0.0
    """How much later the outcome of the same node and subject is read, in hours, or in units of a
    time that is a number."""
    rise: bool = False
    """With ``ahead``: the outcome is by how much its column is then larger than now."""
    changes: dict[str, Annotated[float, Gt(0)]] = field(default_factory=dict)
    """Further features: the change of a feature since so many hours (or units of a time that is a
    number) earlier."""
    cyclic: dict[str, Annotated[float, Gt(0)]] = field(default_factory=dict)
    """Period of each feature that starts again, such as the hour of the day: 24."""
    missing: tuple[str, ...] = ()
    """Texts that mean a missing value, beside empty cells."""
    rows: Annotated[int, Ge(0)] = 0
    """Largest number of rows of a node in a step, selected at even distances; 0: all."""
    places: dict[str, tuple[float, ...]] = field(default_factory=dict)
    """Latitude and longitude of each node in degrees, for the topology ``places``."""
    simulated: bool = False
    """Whether the rows are simulated."""

    def rules(self) -> Iterator[Rule]:
        """Keys go together, and the outcome is not a feature."""
        yield (
            not self.files or (self.outcome and self.features),
            "table: set outcome and features",
        )
        yield len(set(self.columns)) == len(self.columns), "table.columns names a column twice"
        given = (self.above is not None, self.below_quantile is not None, bool(self.positive))
        yield sum(given) < 2, "table: set one of above, below_quantile and positive"
        yield (
            self.below_quantile is None or self.time_columns,
            "table.below_quantile needs table.time_columns",
        )
        yield not self.start or self.time_columns, "table.start needs table.time_columns"
        yield not self.ahead or self.time_columns, "table.ahead needs table.time_columns"
        yield not self.changes or self.time_columns, "table.changes needs table.time_columns"
        yield (
            set(self.changes) <= set(self.features) - set(self.cyclic),
            "table.changes names a column that is not among table.features, or a cyclic one",
        )
        yield (
            not self.rise or (self.ahead and self.above is not None),
            "table.rise needs table.ahead and table.above",
        )
        yield (
            not self.files or self.time_columns or self.site_column or self.deal,
            "table: each file would be a node and a time; set time_columns, site_column or deal",
        )
        yield (
            not self.subject_column or self.deal or self.ahead or self.changes or self.start,
            "table.subject_column has an effect only with table.deal, ahead, changes or start",
        )
        yield (
            all(
                len(at) == 2 and abs(at[0]) <= 90 and abs(at[1]) <= 360
                for at in self.places.values()
            ),
            "table.places: latitude from -90 to 90, then longitude, in degrees",
        )
        yield (
            self.outcome not in self.features or self.ahead > 0,
            "table.features contains the outcome, which the model would know: leave it out, or set "
            "table.ahead",
        )
        yield not (self.site_column and self.deal), "table: set site_column or deal, not both"

    @property
    def raw(self) -> list[str]:
        """Columns that features are computed from, each once: ``features``, then ``cyclic``."""
        return list(dict.fromkeys([*expanded(self.features), *self.cyclic]))


def paths_of(config: TableConfig) -> list[Path]:
    """Expand the patterns in the files of a configuration.

    Args:
        config: the configuration, whose ``files`` may contain patterns.

    Returns:
        Each file once; the matches of a pattern are sorted by name. A name without a match is kept,
        so that reading it fails with its name.
    """
    paths = [path for name in config.files for path in sorted(glob.glob(name)) or [name]]
    return [Path(path) for path in dict.fromkeys(paths)]
