"""Ratings up to the landmark, by hand on cubes; a later scan changes none of them."""

import numpy as np
import pytest

from flame.core.cohort import Patient, Timepoint
from flame.core.imaging import LabelMap
from flame.core.treatment import Phase, Radiation, Treatment
from flame.federation.tasks.rano_features import FEATURES, rano_features, with_rano
from flame.models.clinical.rano import CRITERIA

AFFINE = np.diag([5.0, 5, 5, 1])
PHOTONS = Treatment((Phase(Radiation.PHOTON, 60.0, 30),))  # ends on day 39


def day(number: int, side: int) -> Timepoint:
    mask = np.zeros((16, 16, 16), np.uint8)
    mask[:side, :side, :side] = 1
    return Timepoint(number, {}, tumour=LabelMap(mask, AFFINE))


DAYS = (day(-5, 6), day(50, 6), day(140, 4), day(200, 6), day(260, 9))
"""216 voxels at baseline (day 50), then 64 (PR by -70 %), 216 and 729 (PD)."""


@pytest.mark.parametrize(
    ("landmark", "expected"),
    [
        (0.0, [np.nan, np.nan, np.nan]),  # the baseline of RANO 2.0 is after radiotherapy
        (60.0, [2, 2, 0]),
        (150.0, [1, 1, 0]),
        (210.0, [3, 1, 1]),
        (300.0, [3, 1, 2]),
    ],
)
def test_ratings_by_hand(landmark: float, expected: list[float]) -> None:
    patient = Patient("p", DAYS, PHOTONS, landmark=landmark)
    found = rano_features(patient, CRITERIA["rano-2.0-volume"])
    assert np.array_equal([found[name] for name in FEATURES], expected, equal_nan=True)


def test_a_model_without_ratings_rates_nothing() -> None:
    seen: list[Patient] = []

    def view(patient: Patient) -> Patient:
        seen.append(patient)
        return patient

    assert with_rano(view, ["age"], "rano-2.0") is view
    with_rano(view, ["rano.last"], "rano-2.0-volume")(Patient("p", DAYS, PHOTONS, landmark=150.0))
    assert seen[0].clinical["rano.last"] == 1
