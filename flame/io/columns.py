"""Declared columns of clinical tables: units, ranges and categories, and how a hospital codes them.

A run declares what its features mean. A hospital that writes them otherwise says so in the file
``columns.toml`` beside its table, so that no code is silently read as another one's.
"""

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from flame.core.errors import BadInput
from flame.core.registry import nearest
from flame.io.tables import UNKNOWN, number

FILE = "columns.toml"
"""Name of the file beside a hospital's table."""
IS = "="
"""Between the name of a column and that of a category, in the name of a feature."""
_KEYS = ("column", "unit", "codes")


@dataclass(frozen=True)
class Columns:
    """Columns as a run declares them, and as one hospital writes them.

    Args:
        units: unit by column.
        ranges: lowest and highest value by column.
        categories: categories by column; two become 0 and 1, and more become a feature each.
        local: settings of the hospital by column: ``column`` (its name there), ``unit``, and
            ``codes`` (categories by what is written there).
    """

    units: Mapping[str, str] = field(default_factory=dict)
    ranges: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    categories: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    local: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def features(self, name: str) -> tuple[str, ...]:
        """Return the features of a column: itself, or one for each category but the first of three.

        Args:
            name: name of the column.

        Returns:
            Names of features.

        Example:
            >>> columns = Columns(categories={"sex": ("M", "F"), "grade": ("2", "3", "4")})
            >>> columns.features("sex"), columns.features("grade"), columns.features("age")
            (('sex',), ('grade=3', 'grade=4'), ('age',))
        """
        categories = self.categories.get(name, ())
        if len(categories) < 3:
            return (name,)
        return tuple(f"{name}{IS}{category}" for category in categories[1:])

    def written(self, feature: str) -> str:
        """Return the column of the hospital's table that a feature comes from."""
        name = feature.partition(IS)[0]
        return str(self.local.get(name, {}).get("column", name))

    def value(self, row: Mapping[Any, Any], feature: str, where: str) -> float:
        """Read a feature from a row of the hospital's table.

        Args:
            row: cells by column.
            feature: name of the feature.
            where: file and line, for the error message.

        Returns:
            The number; NaN for an empty cell.

        Raises:
            BadInput: the value is out of range, no number, or no category.
        """
        name, _, category = feature.partition(IS)
        column = self.written(feature)
        if name not in self.categories:
            value = number(row[column], where, column)
            self.check_range(name, value, where)
            return value
        found = self._category(name, row[column], f"{where}, column {column}")
        if found is None:
            return float("nan")
        if category:
            return float(found == category)
        return float(self.categories[name].index(found))

    def check_range(self, name: str, value: float, where: str) -> None:
        """Check that a number is one that its column can have.

        Args:
            name: name of the column as the run declares it.
            value: the number; NaN passes.
            where: place, for the error message.

        Raises:
            BadInput: it is out of range.
        """
        low, high = self.ranges.get(name, (-np.inf, np.inf))
        if value < low or value > high:
            unit = f" {self.units[name]}" if name in self.units else ""
            raise BadInput(
                f"{where}, column {self.written(name)}: a value lies outside {low:g} to {high:g}"
                f"{unit}; correct it, leave the cell empty, or convert the column"
            )

    def _category(self, name: str, cell: object, where: str) -> str | None:
        """Return the category of a cell; None for an empty one."""
        text = "" if cell is None or cell is pd.NA or cell != cell else str(cell).strip()
        if text.lower() in UNKNOWN:
            return None
        codes = {
            str(k).lower(): str(v) for k, v in self.local.get(name, {}).get("codes", {}).items()
        }
        plain = text.removesuffix(".0").lower()
        meant = codes.get(plain, codes.get(text.lower(), text)).lower()
        for category in self.categories[name]:
            if category.lower() in (meant, meant.removesuffix(".0")):
                return category
        raise BadInput(
            f"{where}: a value is none of {', '.join(self.categories[name])}; say in {FILE} beside "
            f'the table what it means, as in [{name}.codes] "1" = "{self.categories[name][0]}"'
        )


def read_local(folder: Path, columns: Columns, features: Iterable[str] = ()) -> Columns:
    """Add what a hospital says about its own columns, if it says anything.

    Args:
        folder: folder of the hospital's table.
        columns: columns as the run declares them.
        features: features that the run reads.

    Returns:
        The columns with the hospital's settings.

    Raises:
        BadInput: the file is broken, names another unit than the run, or explains codes or a unit
            of a feature for which the run declares none.
    """
    path = folder / FILE
    if not path.exists():
        return columns
    try:
        local = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except ValueError as error:
        raise BadInput(f"{path} is not valid TOML: {error}") from None
    used = {feature.partition(IS)[0] for feature in features}
    for name, settings in local.items():
        if not isinstance(settings, dict):
            raise BadInput(f"{path}: write [{name}] and its settings below it")
        for key in settings:
            if key not in _KEYS:
                raise BadInput(f"{path}: unknown key '{name}.{key}': {nearest(key, list(_KEYS))}")
        _check(path, name, settings, columns)
        if name in used and "codes" in settings and name not in columns.categories:
            raise BadInput(f"{path}: the run declares no data.categories.{name}, only numbers")
        if name in used and "unit" in settings and name not in columns.units:
            raise BadInput(f"{path}: the run declares no data.units.{name}; ask whoever leads it")
    return Columns(columns.units, columns.ranges, columns.categories, local)


def _check(path: Path, name: str, settings: Mapping[str, Any], columns: Columns) -> None:
    here, there = settings.get("unit"), columns.units.get(name)
    if here and there and here != there:
        raise BadInput(
            f"{path}: {name} is in {here} here, and the run declares {there}; convert the column"
        )
    known = columns.categories.get(name, ())
    for meant in settings.get("codes", {}).values() if known else ():
        if str(meant).lower() not in (c.lower() for c in known):
            raise BadInput(
                f"{path}: [{name}.codes] has '{meant}': {nearest(str(meant), list(known))}"
            )
