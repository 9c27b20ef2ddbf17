"""Refuses features and outcomes that few patients of a site have: their sums would be about these.

The sums of an honest run at its first step show them: the gradient at 0 without one responder, or
the products of a feature that one patient has, are that patient's row.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from flame.core.errors import Refusal
from flame.models.regression.survival_curves import all_common

_FEW_VALUES = 3
"""Features with so many different values or fewer are counts by value."""


def check_rare_values(patients: Any, names: tuple[str, ...], least: int) -> None:
    """Check the patients of a run.

    Args:
        patients: patients that take part; without a table of features nothing is checked.
        names: names of the columns of ``features``.
        least: least number of persons with any value of such a feature, or without a value of any
            feature, or with any outcome or status.

    Raises:
        Refusal: fewer have one; the message names the column and tells no number.

    Example:
        >>> from flame.models.response.inputs import Inputs
        >>> empty, ones, names = np.zeros((4, 0)), np.ones(4), tuple("abcd")
        >>> rare, response = np.array([[1.0], [0.0], [0.0], [0.0]]), np.array([1, 1, 0, 0])
        >>> inputs = Inputs("a", names, empty, rare, empty, response, ones, ones)
        >>> check_rare_values(inputs, ("idh",), least=2)  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        flame.core.errors.Refusal: has fewer than 2 patients with some value of idh: leave it out...
    """
    if not hasattr(patients, "features"):
        return
    columns = dict(zip(names, patients.features.T, strict=False))
    for name, values in {**columns, "response": patients.response}.items():
        gaps = np.isnan(values)
        few = 0 < gaps.sum() < least and name != "response"
        if few or _rare(values[~gaps], least):
            raise Refusal(
                f"has fewer than {least} patients with some value of {name}: leave it out, or "
                "request a lower least_patients in its policy"
            )
    died = patients.died[np.isfinite(patients.survival_days)]
    if not np.isfinite(patients.response).any() and _rare(died, least):
        raise Refusal(f"has fewer than {least} patients who died, or who did not")


def _rare(values: NDArray[Any], least: int) -> bool:
    return len(np.unique(values)) <= _FEW_VALUES and not all_common(values, least)
