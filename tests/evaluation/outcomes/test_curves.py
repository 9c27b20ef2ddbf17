"""Curves with bands: what is drawn, by hand and at ties."""

import numpy as np
import pytest
from matplotlib.figure import Figure
from sklearn.metrics import roc_curve

from flame.evaluation.outcomes.curves import calibration, roc, survival


def test_a_roc_curve_of_ties_lies_within_its_band() -> None:
    rng = np.random.default_rng(0)
    response = (rng.random(60) < 0.5).astype(float)
    predicted = np.where(rng.random(60) < 0.8, response, 1 - response)  # two values
    axis = Figure().add_subplot()
    roc(axis, response, predicted, band=True, color="k")
    x, y, _ = roc_curve(response, predicted)
    (band,) = axis.collections
    edge = band.get_paths()[0].vertices
    for at in np.linspace(0.05, 0.95, 10):
        near = edge[np.abs(edge[:, 0] - at) < 0.011, 1]
        assert near.min() - 1e-9 <= np.interp(at, x, y) <= near.max() + 1e-9


def test_calibration_has_the_intervals_of_wilson() -> None:
    axis = Figure().add_subplot()
    predicted = np.repeat([0.2, 0.8], 8)
    response = np.array([0.0] * 8 + [1.0] * 4 + [0.0] * 4)
    calibration(axis, response, predicted, band=True, color="k", label="m")
    intervals = [line.get_ydata() for line in axis.lines[1:]]
    # Wilson for 0 of 8 and 4 of 8: z^2 / (n + z^2), and 0.5 -+ z / 2 / sqrt(n + z^2).
    z2 = 1.959964**2
    assert intervals[0] == pytest.approx([0, z2 / (8 + z2)], abs=1e-6)
    half = np.sqrt(z2) / 2 / np.sqrt(8 + z2)
    assert intervals[1] == pytest.approx([0.5 - half, 0.5 + half], abs=1e-4)
    assert [t.get_text() for t in axis.texts] == ["8", "8"]


def test_numbers_at_risk() -> None:
    axis = Figure().add_subplot()
    days = np.array([100.0, 200.0, 400.0])
    survival(axis, {"all": (days, np.ones(3), {"color": "k"})})
    ticks = [t for t in axis.get_xticks() if 0 <= t <= axis.get_xlim()[1]]
    assert [t.get_text() for t in axis.texts] == [str(int((days >= t).sum())) for t in ticks]
