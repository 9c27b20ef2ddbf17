"""Predicts the outcome of new patients, with what drives and what limits each prediction."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from flame.bundles.coefficients import covariance, feature_names, last_day
from flame.bundles.description import OUTSIDE_SD, features
from flame.bundles.model import Model
from flame.core.cohort import Cohort
from flame.core.errors import BadInput
from flame.core.imaging import STRUCTURAL, Sequence
from flame.federation.task import OutcomeTask
from flame.federation.tasks.survival import SurvivalTask
from flame.models.regression.baseline_hazard import MONTH, MONTHS, Hazard
from flame.models.regression.survival_curves import Z
from flame.models.response.inputs import Inputs, concatenate, inputs_of

Array = NDArray[np.float64]

CURVE_DAYS: Array = MONTH * np.arange(0, MONTHS + 1, dtype=float)
"""Days at which survival curves are given."""


@dataclass(frozen=True, eq=False)
class Predicted:
    """Predictions of the patients of one centre.

    Args:
        inputs: what the model read of the n patients that it could predict.
        by_seed: predictions (seed, n): probabilities of response, or negative log risks.
        table: one row per patient, also of those who could not be predicted, with the reason.
        drivers: one row per patient and feature: its value, and by how much it moves the log odds
            or the log risk away from those of a patient with mean features; also one for the image
            of each sequence.
        curves: probability of survival (n, day) on ``CURVE_DAYS``; empty for response.
    """

    inputs: Inputs
    by_seed: Array
    table: pd.DataFrame
    drivers: pd.DataFrame
    curves: Array


def predict(model: Model, cohort: Cohort) -> Predicted:
    """Predict the outcome of the patients of one centre.

    Args:
        model: a model on response or survival.
        cohort: the patients.

    Returns:
        The predictions.

    Raises:
        BadInput: the model predicts no outcome, or no patient has the inputs that it needs.
    """
    task = model.task
    if not isinstance(task, OutcomeTask):
        raise BadInput(f"{model.name} is a model on {task.name} and predicts no outcome")
    inputs, reasons = _readable(model, cohort)
    by_seed = np.array([task.predict(inputs, w, s) for w, s in model.seeds])
    # A response model has no baseline hazard, and so no curves.
    curves = survival_curves(model, -by_seed[0])
    survives = isinstance(task, SurvivalTask)
    columns = _survival(model, inputs, curves) if survives else _response(model, by_seed)
    table = pd.DataFrame(
        {"patient": inputs.pseudonyms, "hospital": cohort.centre, **columns}
        | _doubts(model, inputs)
    )
    absent = pd.DataFrame(
        {"patient": list(reasons), "hospital": cohort.centre, "note": list(reasons.values())}
    )
    table = pd.concat([table, absent], ignore_index=True) if reasons else table
    return Predicted(inputs, by_seed, table, _drivers(model, inputs), curves)


def _readable(model: Model, cohort: Cohort) -> tuple[Inputs, dict[str, str]]:
    """Return the inputs of the patients that can be predicted, and why others cannot."""
    found = []
    reasons = {}
    for patient in cohort.patients:
        if patient.left_out:
            reasons[patient.pseudonym] = patient.left_out
            continue
        try:
            found.append(inputs_of(replace(cohort, patients=(patient,)), model.config.model))
        except BadInput as error:
            reasons[patient.pseudonym] = str(error)
    if not found:
        raise BadInput(next(iter(reasons.values())))
    return replace(concatenate(found), centre=cohort.centre), reasons


def _response(model: Model, by_seed: Array) -> dict[str, Any]:
    probability = by_seed.mean(axis=0)
    cut = threshold(model)
    columns: dict[str, Any] = {"probability": probability}
    if len(by_seed) > 1:
        columns |= {"lowest seed": by_seed.min(axis=0), "highest seed": by_seed.max(axis=0)}
    if np.isfinite(cut):
        columns["responds"] = np.where(probability >= cut, "yes", "no")
    return columns


def threshold(model: Model) -> float:
    """Return the probability from which on a response is predicted: the share in training.

    Args:
        model: a model on response.

    Returns:
        The share of responders among the training patients; NaN if sites did not tell it.
    """
    shares = [float(shared.get("prevalence", np.nan)) for _, shared in model.seeds]
    return float(np.mean(shares))


def _survival(model: Model, inputs: Inputs, curves: Array) -> dict[str, Any]:
    """Return the risk, the median with its interval, and survival at one and two years."""
    task = model.task
    assert isinstance(task, SurvivalTask)
    columns: dict[str, Any] = {"log risk": _log_scale(model, inputs)}
    if not curves.size:
        return columns
    columns["median days"] = [_first_at_most(curve, 0.5) for curve in curves]
    error = _log_error(model, task.design(inputs, model.shared))
    # A higher risk shortens survival: S(t)^exp(z e) is the curve at the limit of the log hazard.
    for name, sign in (("low", 1.0), ("high", -1.0)):
        with np.errstate(invalid="ignore"):
            moved = curves ** np.exp(sign * Z * error)
        known = np.isfinite(error).any()
        columns[name] = [_first_at_most(curve, 0.5) if known else np.nan for curve in moved]
    for years in (1, 2):
        day = 365.25 * years
        columns[f"alive at {years} y"] = [np.interp(day, CURVE_DAYS, curve) for curve in curves]
    return columns


def _log_error(model: Model, x: Array) -> Array:
    """Return the standard error (n, day) of the log cumulative hazard of each patient.

    It adds the variance of the log risk to that of the baseline, 1 / deaths until then.
    """
    risk = np.einsum("ij,jk,ik->i", x, covariance(model, model.shared), x)
    deaths = np.cumsum(model.shared["hazard_deaths"].sum(axis=0))
    until = np.maximum(np.append(0.0, deaths), 1.0)  # before the first death the curve is 1
    return np.asarray(np.sqrt(risk[:, None] + 1 / until))


def survival_curves(model: Model, log_risk: Array) -> Array:
    """Compute survival with the baseline hazard over all hospitals.

    Args:
        model: the model.
        log_risk: log risk (n,) of each patient.

    Returns:
        Survival (n, day) on ``CURVE_DAYS``, NaN beyond the follow-up of the training; (n, 0) for a
        model without a baseline hazard.
    """
    if "hazard_deaths" not in model.shared:
        return np.zeros((len(log_risk), 0))
    hazard = Hazard(model.shared["hazard_deaths"], model.shared["hazard_exposure"]).summed()
    curves = np.exp(-np.exp(log_risk)[:, None] * hazard.cumulative(CURVE_DAYS))
    return np.asarray(np.where(last_day(hazard) + 1e-6 >= CURVE_DAYS, curves, np.nan))


def _first_at_most(curve: Array, share: float) -> float:
    """Return the day on which a curve falls to a share, linear within a month; inf if never."""
    below = np.flatnonzero(curve <= share)
    if not len(below):
        return float("inf")
    end = int(below[0])
    if end == 0:
        return 0.0
    before, after = curve[end - 1], curve[end]
    part = (before - share) / (before - after)
    return float(CURVE_DAYS[end - 1] + part * (CURVE_DAYS[end] - CURVE_DAYS[end - 1]))


def _doubts(model: Model, inputs: Inputs) -> dict[str, Any]:
    """Return the columns on missing values, and on values unlike those of the training."""
    names = np.array(feature_names(model))
    known = features(model)
    missing = np.isnan(inputs.features)
    columns: dict[str, Any] = {"missing": ["; ".join(names[row]) for row in missing]}
    if known.empty:
        return {**columns, "note": ""}
    with np.errstate(invalid="ignore"):
        far = (inputs.features < known.low.to_numpy()) | (inputs.features > known.high.to_numpy())
    notes = [
        f"outside the training population ({OUTSIDE_SD:g} SD): {'; '.join(names[row])}"
        if row.any()
        else ""
        for row in far
    ]
    return {**columns, "note": notes}


def _drivers(model: Model, inputs: Inputs) -> pd.DataFrame:
    """Return by how much each feature moves a prediction: with it, less with its mean."""
    task = model.task
    assert isinstance(task, OutcomeTask)
    rows = []
    whole = _log_scale(model, inputs)
    offset = len(model.config.model.clinical_columns)
    for place, name in enumerate(feature_names(model)):
        field, column = ("clinical", place) if place < offset else ("treatment", place - offset)
        array = getattr(inputs, field).copy()
        array[:, column] = model.shared["mean"][place] if "mean" in model.shared else 0.0
        moved = whole - _log_scale(model, replace(inputs, **{field: array}))
        values = getattr(inputs, field)[:, column]
        rows += [
            {"patient": p, "feature": name, "value": float(v), "moves by": float(m)}
            for p, v, m in zip(inputs.pseudonyms, values, moved, strict=True)
        ]
    for name, moved in moved_by_images(
        lambda p: _log_scale(model, p),
        inputs,
        model.config.model.sequences,
        bool(model.config.model.encoder),
    ).items():
        rows += [
            {"patient": p, "feature": f"image {name}", "value": np.nan, "moves by": float(m)}
            for p, m in zip(inputs.pseudonyms, moved, strict=True)
        ]
    return pd.DataFrame(rows, columns=["patient", "feature", "value", "moves by"])


def moved_by_images(
    predict: Callable[[Inputs], Array], inputs: Inputs, sequences: tuple[str, ...], encoder: bool
) -> dict[str, Array]:
    """Return by how much the image of each sequence moves a prediction: with it, less without it.

    An image is hidden by setting it to 0, which is the mean of z-scored images.

    Args:
        predict: returns a prediction (n,) for each row.
        inputs: n patients with images (n, x, y, z, channel).
        sequences: sequences that the model reads.
        encoder: whether the channels are those of STRUCTURAL instead of ``sequences``.

    Returns:
        Changes (n,) by sequence; empty without images.
    """
    whole = predict(inputs) if sequences else np.zeros(0)
    moved = {}
    for place, name in enumerate(sequences):
        hidden = inputs.image.copy()
        hidden[..., STRUCTURAL.index(Sequence(name)) if encoder else place] = 0
        moved[name] = whole - predict(replace(inputs, image=hidden))
    return moved


def _log_scale(model: Model, inputs: Inputs) -> Array:
    """Return log odds of response (n,), or log risks, averaged over seeds."""
    task = model.task
    assert isinstance(task, OutcomeTask)
    predicted = np.array([task.predict(inputs, w, s) for w, s in model.seeds])
    if task.outcome != "response":
        return np.asarray(-predicted.mean(axis=0))
    clipped = np.clip(predicted, 1e-9, 1 - 1e-9)
    return np.asarray(np.log(clipped / (1 - clipped)).mean(axis=0))
