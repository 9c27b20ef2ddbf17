"""External validation: how well a finished model predicts patients that it never saw."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from flame.bundles.model import Model
from flame.bundles.predictions import Predicted, predict, threshold
from flame.bundles.recalibration import recalibrated
from flame.core.cohort import Cohort
from flame.core.errors import BadInput
from flame.evaluation.outcomes.subgroups import GROUPS
from flame.models.response.inputs import Inputs, concatenate

Array = NDArray[np.float64]

EVERYWHERE = "all hospitals"
"""Name of the patients of all hospitals together."""


@dataclass(frozen=True, eq=False)
class Variant:
    """One prediction to validate.

    Args:
        name: name in tables and figures.
        by_seed: predictions (seed, n).
        cut: probability from which on a response is predicted; NaN for survival.
        curves: survival curves (n, day); empty for response.
        refitted: whether it is the model refitted by cross-validation, which ranks as the model
            does: that ranks of its folds differ is an artefact.
    """

    name: str
    by_seed: Array
    cut: float
    curves: Array
    refitted: bool = False

    def rows(self, index: NDArray[np.intp]) -> "Variant":
        """Return the predictions of some patients."""
        return replace(self, by_seed=self.by_seed[:, index], curves=self.curves[index])

    @property
    def mean(self) -> Array:
        """Predictions (n,) averaged over seeds."""
        return np.asarray(self.by_seed.mean(axis=0))


@dataclass(frozen=True, eq=False)
class Cohorts:
    """The patients of a validation, one hospital after the other.

    Args:
        model: the validated model.
        inputs: what the model read of the n patients.
        hospitals: hospital (n,) of each patient.
        variants: predictions of the model first, then of what it is compared with.
        groups: subgroup (n,) of each patient by title of the grouping; empty text: unknown.
        tables: predictions with one row per patient; None where patients are elsewhere.
        simulated: whether the patients are simulated.
    """

    model: Model
    inputs: Inputs
    hospitals: NDArray[np.str_]
    variants: list[Variant]
    groups: dict[str, NDArray[np.str_]]
    tables: pd.DataFrame | None
    simulated: bool

    def places(self) -> list[tuple[str, NDArray[np.intp]]]:
        """Return each hospital with the indices of its patients, then all of them together."""
        names = sorted(set(self.hospitals))
        found = [(str(name), np.flatnonzero(self.hospitals == name)) for name in names]
        return [*found, (EVERYWHERE, np.arange(len(self.hospitals)))] if len(found) > 1 else found


def gather(
    model: Model, cohorts: list[Cohort], others: Iterable[tuple[Model, list[Cohort]]]
) -> Cohorts:
    """Predict all patients with a model and with those that it is compared with.

    Args:
        model: the model to validate.
        cohorts: its patients by centre, with their outcomes.
        others: further models with the same patients as each of them reads them.

    Returns:
        The patients whom every model can predict, with all predictions.

    Raises:
        BadInput: no patient has a known outcome, or the models predict different outcomes.
    """
    predicted = [predict(model, cohort) for cohort in cohorts]
    inputs = concatenate([p.inputs for p in predicted])
    hospitals = np.array([p.inputs.centre for p in predicted for _ in p.inputs.pseudonyms])
    kept = np.arange(len(hospitals))
    variants = [_variant(model.name, model, predicted)]
    keys = list(zip(hospitals, inputs.pseudonyms, strict=True))
    for other, theirs in others:
        _check_alike(model, other)
        also = [predict(other, cohort) for cohort in theirs]
        place = {
            k: n
            for n, k in enumerate((p.inputs.centre, s) for p in also for s in p.inputs.pseudonyms)
        }
        kept = np.array([n for n in kept if keys[n] in place], int)
        order = np.array([place.get(k, 0) for k in keys])
        variants.append(_variant(other.name, other, also).rows(order))
    known = inputs.take(kept)
    if known.entered.any():
        raise BadInput(
            "some patients came under observation after day 0, and a validation counts everybody "
            "from day 0: leave them out"
        )
    outcome = known.survival_days if model.task.outcome == "survival" else known.response
    if not np.isfinite(outcome).any():
        raise BadInput(
            "no patient has a known outcome; name the columns with --set data.survival, or the "
            "column response"
        )
    by_name = {(c.centre, p.pseudonym): p for c in cohorts for p in c.patients}
    patients = [by_name[keys[n]] for n in kept]
    groups = {title: np.array([of(p) for p in patients]) for title, of in GROUPS.items()}
    return Cohorts(
        model,
        known,
        hospitals[kept],
        [v.rows(kept) for v in variants],
        groups,
        pd.concat([p.table for p in predicted], ignore_index=True),
        cohorts[0].simulated,
    )


def _check_alike(model: Model, other: Model) -> None:
    """Refuse to compare models of different outcomes, or that count time from different days."""
    ours, theirs = (
        {
            "outcome": m.task.outcome,
            "data.horizon_days": m.config.data.horizon_days,
            "data.endpoint": m.config.data.endpoint,
            "model.landmark_day": m.config.model.landmark_day,
        }
        for m in (model, other)
    )
    for key, value in ours.items():
        if theirs[key] != value:
            raise BadInput(
                f"{other.name} has {key} = {theirs[key]}, and {model.name} {value}: they predict "
                "different things and cannot be compared"
            )


def _variant(name: str, model: Model, predicted: list[Predicted]) -> Variant:
    cut = threshold(model) if model.task.outcome == "response" else float("nan")
    by_seed = np.hstack([p.by_seed for p in predicted])
    return Variant(name, by_seed, cut, np.concatenate([p.curves for p in predicted]))


def with_references(cohorts: Cohorts) -> Cohorts:
    """Add what any model must beat, and what a little local data would give.

    For response: the share of responders in training for everyone, and the model with its constant,
    or its constant and slope, fitted at each hospital by cross-validation.

    Args:
        cohorts: patients and predictions.

    Returns:
        The same with more predictions; unchanged for survival.
    """
    if cohorts.model.task.outcome != "response":
        return cohorts
    first = cohorts.variants[0]
    added = []
    if np.isfinite(first.cut):
        share = np.full((1, len(cohorts.hospitals)), first.cut)
        added.append(Variant("prevalence in training", share, first.cut, first.curves))
    for slope, what in ((False, "constant"), (True, "constant and slope")):
        fitted = np.full((1, len(cohorts.hospitals)), np.nan)
        for place in set(cohorts.hospitals):
            rows = np.flatnonzero(cohorts.hospitals == place)
            response = cohorts.inputs.response[rows].astype(float)
            fitted[0, rows] = recalibrated(response, first.mean[rows], slope)
        name = f"{first.name}, {what} refitted"
        added.append(Variant(name, fitted, first.cut, first.curves, refitted=True))
    return replace(cohorts, variants=[*cohorts.variants, *added])
