"""Federated ComBat against the pooled fit: neuroCombat's published algorithm, written out here.

The pooled reference regresses all patients' features on centre indicators and covariates at once
(Fortin 2018), as the neuroCombat package does; none of FLAME's own code is in it.
"""

from pathlib import Path

import numpy as np
import pytest

from flame.core.errors import BadInput
from flame.preprocessing.harmonisation.combat import adjust, harmonise, merge, summarise


def pooled(y: np.ndarray, x: np.ndarray, centre: np.ndarray) -> np.ndarray:
    names = np.unique(centre)
    indicator = (centre[:, None] == names).astype(float)
    design = np.hstack([indicator, x])
    beta = np.linalg.lstsq(design, y, rcond=None)[0]
    share = indicator.mean(axis=0)
    grand = share @ beta[: len(names)]
    variance = ((y - design @ beta) ** 2).mean(axis=0)
    expected = grand + x @ beta[len(names) :]
    z = (y - expected) / np.sqrt(variance)
    out = np.empty_like(z)
    for name in names:
        rows = centre == name
        s = z[rows]
        n, g_hat, d_hat = len(s), s.mean(axis=0), s.var(axis=0, ddof=1)
        g_bar, t2, m, s2 = g_hat.mean(), g_hat.var(ddof=1), d_hat.mean(), d_hat.var(ddof=1)
        a, b = (2 * s2 + m**2) / s2, (m * s2 + m**3) / s2
        g, d, change = g_hat, d_hat, 1.0
        while change > 1e-4:
            g_new = (t2 * n * g_hat + d * g_bar) / (t2 * n + d)
            d_new = (0.5 * ((s - g_new) ** 2).sum(axis=0) + b) / (n / 2 + a - 1)
            change = max((abs(g_new - g) / g).max(), (abs(d_new - d) / d).max())
            g, d = g_new, d_new
        out[rows] = (s - g) / np.sqrt(d)
    return out * np.sqrt(variance) + expected


def data(seed: int, sizes: tuple[int, ...] = (14, 9, 30)) -> tuple[np.ndarray, ...]:
    rng = np.random.default_rng(seed)
    centre = np.repeat(np.arange(len(sizes)), sizes)
    x = np.column_stack([rng.normal(60, 10, len(centre)), rng.integers(0, 2, len(centre))])
    shift, scale = rng.normal(0, 3, (len(sizes), 12)), rng.uniform(0.5, 2, (len(sizes), 12))
    noise = rng.normal(size=(len(centre), 12)) * scale[centre]
    y = 50 + x @ rng.normal(0, 0.3, (2, 12)) + shift[centre] + noise
    return y, x, centre


def federated(y: np.ndarray, x: np.ndarray, centre: np.ndarray) -> np.ndarray:
    rows = [centre == c for c in np.unique(centre)]
    fitted = merge([summarise(y[r], x[r]) for r in rows], ["age", "sex"])
    out = np.empty_like(y)
    for r in rows:
        out[r] = harmonise(fitted, adjust(fitted, y[r], x[r]), y[r], x[r])
    return out


@pytest.mark.parametrize("seed", range(5))
def test_equals_the_pooled_fit(seed: int) -> None:
    y, x, centre = data(seed)
    assert np.abs(federated(y, x, centre) - pooled(y, x, centre)).max() < 1e-8


def test_equals_neurocombat_itself() -> None:
    # What neuroCombat 0.2.12 made of data(7): batch_col="centre", continuous_cols=["age", "sex"].
    # It has no wheel for Python 3.12 and later, so its figures are kept and not made anew.
    found = np.loadtxt(Path(__file__).with_name("neurocombat_0_2_12.csv"), delimiter=",")
    y, x, centre = data(7)
    # The package computes in single precision: 80 has a step of 8e-6.
    assert np.abs(federated(y, x, centre) - found).max() < 1e-5


def test_without_covariates() -> None:
    y, x, centre = data(3)
    none = x[:, :0]
    assert np.abs(federated(y, none, centre) - pooled(y, none, centre)).max() < 1e-8


def test_centre_effect_is_gone_and_the_covariate_effect_is_kept() -> None:
    y, x, centre = data(1, (200, 300))
    y[:, 0] = 50 + 0.5 * (x[:, 0] - 60) + 5 * centre + np.random.default_rng(0).normal(size=500)
    found = federated(y, x, centre)[:, 0]
    slope, shift = np.linalg.lstsq(np.c_[x[:, 0], centre, np.ones(500)], found, rcond=None)[0][:2]
    assert slope == pytest.approx(0.5, abs=0.02)
    assert abs(shift) < 0.3  # 5 before


def test_unseen_centre_lands_on_the_scale_of_the_others() -> None:
    y, x, centre = data(2, (80, 80, 80))
    seen = centre < 2
    fitted = merge([summarise(y[centre == c], x[centre == c]) for c in (0, 1)])
    new, rows = y[~seen], x[~seen]
    found = harmonise(fitted, adjust(fitted, new, rows), new, rows)
    expected = fitted.grand_mean + rows @ fitted.slopes
    spread = np.sqrt(fitted.variance)
    before = np.abs((new - expected).mean(axis=0) / spread).mean()
    after = np.abs((found - expected).mean(axis=0) / spread).mean()
    assert before > 1
    assert after < 0.2


def test_centre_of_one_patient_is_finite_and_only_shifted() -> None:
    y, x, centre = data(4, (20, 1, 20))
    found = federated(y, x, centre)
    assert np.isfinite(found).all()


def test_constant_feature_stays_as_it_is() -> None:
    y, x, centre = data(5)
    y[:, 3] = 0.3
    found = federated(y, x, centre)
    assert (found[:, 3] == 0.3).all()
    others = [n for n in range(12) if n != 3]
    assert np.abs(found[:, others] - pooled(y[:, others], x, centre)).max() < 1e-8


def test_covariate_that_is_the_centre_is_refused_by_name() -> None:
    y, x, centre = data(6)
    x[:, 1] = centre
    with pytest.raises(BadInput, match="covariate 'sex' does not vary within any centre"):
        federated(y, x, centre)


def test_covariates_that_say_the_same_are_refused() -> None:
    y, x, centre = data(6)
    x[:, 1] = 2 * x[:, 0] + centre
    with pytest.raises(BadInput, match="only together"):
        federated(y, x, centre)


def test_gaps_are_refused() -> None:
    y, x, _ = data(6)
    y[0, 0] = np.nan
    with pytest.raises(BadInput, match="fill the gaps"):
        summarise(y, x)
