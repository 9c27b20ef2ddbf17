"""Mixed-effects growth on patients whose rates and errors are drawn, or known by hand."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import multivariate_normal

from flame.models.evolution.growth_curves import LOG_VOLUME, Linear, LogLinear, Surface
from flame.models.evolution.model import EvolutionCase
from tests.helpers.tumours import ball, block, tumour_case


def patients(count: int, rate: float, spread: float, error: float) -> list[EvolutionCase]:
    """Log volumes grow at a rate of each patient's own; every mask is drawn with an error."""
    rng = np.random.default_rng(0)
    cases = []
    for _ in range(count):
        own, start = rate + spread * rng.normal(), np.log(rng.uniform(8, 30))
        drawn = {
            d: block(float(np.exp(start + own * d / 100 + error * rng.normal())))
            for d in (0, 60, 120, 180)
        }
        later = tuple((d, m) for d, m in drawn.items() if d)
        cases.append(tumour_case(tumour=drawn[0], day=0, history=(), later=later))
    return cases


def test_rate_spread_and_error_are_found() -> None:
    model = LogLinear()
    model.fit(patients(60, rate=0.5, spread=0.3, error=0.1))
    rate, _, spread, error = model.phases[0].curves[0].found
    assert rate == pytest.approx(0.5, abs=0.12)
    assert spread == pytest.approx(0.3, rel=0.3)
    assert error == pytest.approx(0.1, rel=0.3)


def test_the_restricted_likelihood_is_that_of_the_joint_normal() -> None:
    """Independent: m is one more normal variable, so that all changes are jointly normal."""
    grown = [(np.array([50.0, 120.0]), np.array([0.2, 0.7])), (np.array([80.0]), np.array([0.1]))]
    curve = replace(LOG_VOLUME, rate=(0.1, 0.8))
    fitted, posterior = curve.fitted(curve.sums(grown))
    spread, error = fitted.found[2:]
    times = np.concatenate([t / 100 for t, _ in grown])
    changes = np.concatenate([c for _, c in grown])
    covariance = 0.8**2 * np.outer(times, times)
    place = 0
    for days, _ in grown:
        here = slice(place, place + len(days))
        t = days / 100
        covariance[here, here] += spread**2 * np.outer(t, t) + error**2 * (np.eye(len(t)) + 1)
        place += len(days)
    joint = -multivariate_normal(0.1 * times, covariance).logpdf(changes)
    prior = sum(
        0.5 * ((v - m) / w) ** 2
        for v, (m, w) in zip(
            np.log([spread, error]), (curve.log_spread, curve.log_error), strict=True
        )
    )
    assert -posterior == pytest.approx(joint + prior - 1.5 * np.log(2 * np.pi), abs=1e-9)


def test_a_mask_before_the_baseline_moves_the_rate_towards_what_it_shows() -> None:
    curve = replace(LOG_VOLUME, found=(0.5, 0.0, 0.3, 0.1))
    # Independent: the conditional of a joint normal of y(-100), y(0) and y(100), whose errors of
    # 0.1 are independent, with a common rate of 0.5 +- 0.3; 0.9 was seen between the first two.
    to_changes = np.array([[-1.0, 1.0, 0.0], [0.0, -1.0, 1.0]])  # seen, and to come
    errors = to_changes @ (0.01 * np.eye(3)) @ to_changes.T
    covariance = errors + 0.09 * np.ones((2, 2))
    gain = covariance[0, 1] / covariance[0, 0]
    mean, sd = curve.predicted(100, np.array([(-100.0, 0.9)]))
    assert mean == pytest.approx(0.5 + gain * 0.4)
    assert sd == pytest.approx(np.sqrt(covariance[1, 1] - gain * covariance[0, 1]))
    assert curve.predicted(100, np.empty((0, 2)))[0] == pytest.approx(0.5)


def test_every_mask_so_far_sharpens_the_forecast() -> None:
    """Independent: all masks are jointly normal, and those seen are conditioned on as one."""
    curve = replace(LOG_VOLUME, found=(0.5, 0.0, 0.3, 0.1))
    days, values = np.array([-200.0, -80.0, 0.0, 100.0]), np.array([1.0, 1.9, 2.4])
    rows = np.array([[-1.0, 0, 1, 0], [0, -1, 1, 0], [0, 0, -1, 1]])  # changes to the baseline
    times = rows @ (days / 100)
    covariance = 0.09 * np.outer(times, times) + 0.01 * rows @ rows.T
    seen = rows[:2, :3] @ values
    gain = covariance[2, :2] @ np.linalg.inv(covariance[:2, :2])
    mean, sd = curve.predicted(100, np.column_stack([days[:2], seen]))
    assert mean == pytest.approx(0.5 * times[2] + gain @ (seen - 0.5 * times[:2]))
    assert sd == pytest.approx(np.sqrt(covariance[2, 2] - gain @ covariance[:2, 2]))
    assert sd < curve.predicted(100, np.array([(-80.0, 0.5)]))[1]


def test_growth_before_and_after_radiotherapy_is_learned_apart() -> None:
    """Every tumour halves under radiotherapy until day 60 and doubles in 60 days from then on."""
    volumes = {-10: 20.0, 60: 10.0, 120: 20.0}
    masks = {day: block(ml) for day, ml in volumes.items()}
    later = ((60, masks[60]), (120, masks[120]))
    cases = [tumour_case(f"p{n}", tumour=masks[-10], history=(), later=later) for n in range(4)]
    model = LogLinear()
    model.fit(cases)
    rate = np.log(2) * 100 / 60
    assert model.phases[1].curves[0].found[0] == pytest.approx(rate, rel=0.1)
    assert model.phases[0].curves[0].found[0] < 0.3
    after = cases[0].afterwards()
    assert after is not None
    assert (after.day, after.is_ahead, [d for d, _ in after.later]) == (60, False, [120])
    assert np.median(model.volumes(after, 120)) == pytest.approx(20, rel=0.1)
    assert after.afterwards() is None  # nothing follows the first mask after it


def test_a_group_counts_where_all_its_patients_are_followed() -> None:
    """Of two groups of three one has a patient without a second mask after radiotherapy."""
    cases = [tumour_case(f"p{n}", later=((60, block(9)), (120, block(11)))) for n in range(6)]
    cases[5] = replace(cases[5], later=cases[5].later[:1])
    assert LogLinear().sums(cases, [0, 0, 0, 1, 1, 1])["patients"].tolist() == [6, 3, 6]
    assert LogLinear().sums(cases)["patients"].tolist() == [6, 5, 6]


def test_groups_of_mixed_patients_are_not_lost() -> None:
    """Of each group of three one patient has an unknown course: all count together."""
    cases = [tumour_case(f"p{n}", radius=12.0 + n / 4, later=((50, block(20)),)) for n in range(9)]
    cases = [replace(c, treatment=None) if n % 3 == 0 else c for n, c in enumerate(cases)]
    sums = LogLinear().sums(cases, [n // 3 for n in range(9)])
    assert sums["patients"].tolist() == [0, 0, 9]
    model = LogLinear()
    model.learn(sums)
    assert [phase.freedom for phase in model.phases] == [8, 8]


def test_the_band_holds_a_new_patient_as_often_as_it_says() -> None:
    cases = patients(90, rate=0.4, spread=0.4, error=0.1)
    held = 0
    for first in range(0, 90, 6):  # fifteen cohorts of five, and one patient each
        *few, new = cases[first : first + 6]
        model = LogLinear()
        model.fit(few)
        volumes = model.volumes(new, 120)
        low, high = np.quantile(volumes, [0.05, 0.95])
        held += low <= new.ml(dict(new.later)[120]) <= high
    assert held >= 12  # of 15; 90 % are 13.5


def test_a_radius_that_grows_evenly() -> None:
    cases = [
        tumour_case(tumour=ball(r), day=0, history=(), later=((100, ball(r + 8)),))
        for r in (12, 16, 20)
    ]
    model = Linear()
    model.fit(cases)
    assert model.phases[0].curves[0].found[0] == pytest.approx(8, abs=1.5)


def test_growth_that_does_not_depend_on_time_is_not_extrapolated() -> None:
    """All patients grow by a half, after 30 or after 300 days."""
    cases = [
        tumour_case(tumour=block(v), day=0, history=(), later=((d, block(1.5 * v)),))
        for v, d in ((10, 30), (20, 300), (15, 60), (30, 200), (12, 400), (18, 90))
    ]
    steady, exponential = Surface(), LogLinear()
    for model in (steady, exponential):
        model.fit(cases)
    assert steady.phases[0].weights[0] > 0.6
    new = tumour_case(tumour=block(20), day=0, history=())
    assert np.median(steady.volumes(new, 400)) == pytest.approx(30, rel=0.15)
    assert np.median(exponential.volumes(new, 400)) > 40


def test_mask_and_median_agree() -> None:
    cases = [tumour_case(f"p{n}", radius=12.0 + n) for n in range(4)]
    model = Surface()
    model.fit(cases)
    for forecast in model.forecast(tumour_case(radius=14.0), (50, 120)):
        median = float(np.median(forecast.volumes))
        voxel = cases[0].voxel_ml
        assert np.count_nonzero(forecast.mask) * voxel == pytest.approx(median, rel=0.02)


def test_sums_of_centres_give_the_pooled_model() -> None:
    cases = [tumour_case(f"p{n}", radius=12.0 + n) for n in range(5)]
    pooled, apart = Surface(), Surface()
    pooled.fit(cases)
    first, second = apart.sums(cases[:2]), apart.sums(cases[2:])
    apart.learn({name: first[name] + second[name] for name in first})
    assert apart.blur == pooled.blur
    new = tumour_case(radius=14.0)
    assert np.allclose(apart.volumes(new, 90), pooled.volumes(new, 90), rtol=1e-9)


def test_sums_of_a_group_tell_no_patient() -> None:
    """Two groups of five with other patients, but the same days in mean, and sums and squares."""
    model = LogLinear()

    def group(ratios: tuple[float, ...], days: tuple[int, ...]) -> list[EvolutionCase]:
        # Volumes are set by the ratio, so that the change of the log is that of the ratio.
        return [
            tumour_case(tumour=block(32), day=0, history=(), later=((d, block(32 * r)),))
            for r, d in zip(ratios, days, strict=True)
        ]

    one = group((1.0, 1.0, 2.0, 2.0, 4.0), (30, 60, 90, 120, 150))
    other = group((2.0, 1.0, 4.0, 1.0, 2.0), (50, 90, 90, 100, 120))
    told, also = (model.sums(cases, ["group"] * 5)["curves"] for cases in (one, other))
    assert np.allclose(told, also, rtol=1e-9)
    assert not np.allclose(model.sums(one)["curves"], model.sums(other)["curves"], rtol=1e-3)


def test_a_tumour_too_small_to_measure_does_not_jump() -> None:
    model = Surface()
    model.fit([tumour_case(f"p{n}", radius=12.0 + n) for n in range(4)])
    small = tumour_case(tumour=block(0.2), history=())
    assert np.median(model.volumes(small, small.day + 1)) < 0.4
