"""Leaving out one patient at a time: the errors are those of unseen patients, by hand."""

import numpy as np
import pytest
from scipy.stats import t

from flame.core.errors import BadInput
from flame.models.evolution.few_patients import LeaveOneOut
from flame.models.evolution.volume_baselines import CohortRate, Persistence
from tests.helpers.tumours import block, tumour_case

RATIOS = (1.5, 2.0, 0.8, 1.2)
CASES = [
    tumour_case(f"p{n}", tumour=block(20), day=0, history=(), later=((100, block(20 * r)),))
    for n, r in enumerate(RATIOS)
]


def test_the_band_is_students_with_the_errors_of_persistence() -> None:
    model = LeaveOneOut(Persistence)
    model.fit(CASES)
    logs = [c.log_ml(c.later[0][1]) - c.log_ml(c.tumour) for c in CASES]
    spread = np.sqrt(np.mean(np.square(logs)))
    assert model.errors.spread == pytest.approx(spread, rel=1e-3)
    (forecast,) = model.forecast(CASES[0], (100,))
    # The 20th and 21st of 40 quantiles lie on both sides of the median; the last at 98.75 %.
    largest = 20 * np.exp(spread * t.ppf(0.9875, 4) * np.sqrt(1.25))
    assert forecast.volumes.max() == pytest.approx(largest, rel=0.02)


def test_no_patient_is_in_the_model_of_its_own_error() -> None:
    model = LeaveOneOut(CohortRate)
    model.fit(CASES)
    logs = np.array([c.log_ml(c.later[0][1]) - c.log_ml(c.tumour) for c in CASES])
    errors = [value - np.delete(logs, n).mean() for n, value in enumerate(logs)]
    assert model.errors.spread == pytest.approx(np.sqrt(np.mean(np.square(errors))), rel=0.02)


def test_one_patient_tells_no_error() -> None:
    with pytest.raises(BadInput, match="one patient alone"):
        LeaveOneOut(Persistence).fit(CASES[:1])


def test_a_small_tumour_persists_as_it_is() -> None:
    model = LeaveOneOut(Persistence)
    model.fit(CASES)
    small = tumour_case(tumour=block(0.2), day=0, history=())
    (forecast,) = model.forecast(small, (10,))
    assert np.median(forecast.volumes) == pytest.approx(small.ml(small.tumour), rel=0.05)
