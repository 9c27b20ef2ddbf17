"""Covariates of radiation-induced enhancement, by hand in places of the template that are known."""

import numpy as np
import pytest

from flame.core.cohort import Patient, Timepoint
from flame.core.imaging import DoseMap, LabelMap
from flame.core.treatment import Phase, Radiation, Treatment
from flame.federation.tasks.outside_risk import FEATURES, outside_risk, with_risk

AFFINE = np.diag([1.0, 1, 1, 1])
AFFINE[:3, 3] = -80, -110, -60
SHAPE = (160, 190, 140)
PROTONS = Phase(Radiation.PROTON, 55.0, 25, biological=True, let=3.0)
BOOST = Phase(Radiation.PHOTON, 10.0, 5, start_day=35)


def ball(centre: tuple[float, float, float], radius: float) -> LabelMap:
    world = np.indices(SHAPE) + AFFINE[:3, 3][:, None, None, None]
    away = ((world - np.array(centre)[:, None, None, None]) ** 2).sum(axis=0)
    return LabelMap((away < radius**2).astype(np.uint8), AFFINE)


def patient(tumour: LabelMap, treatment: Treatment | None = None, gy: float = 65.0) -> Patient:
    dose = DoseMap(np.full(SHAPE, gy, np.float32), AFFINE, biological=True)
    return Patient("p", (Timepoint(90, {}, tumour=tumour, dose=dose),), treatment, landmark=100.0)


def test_places_at_the_ventricles_and_far_away() -> None:
    """The bodies of the lateral ventricles of MNI152 lie at x = +-14, y = -20, z = 24 (RAS+ mm)."""
    for side in (-14.0, 14.0):
        near = outside_risk(patient(ball((side, -20.0, 24.0), 3.0)))
        assert near["risk.periventricular"] > 0.95
    assert outside_risk(patient(ball((45.0, 20.0, 10.0), 8.0)))["risk.periventricular"] == 0
    beyond = outside_risk(patient(ball((70.0, -100.0, 70.0), 5.0)))
    assert beyond["risk.periventricular"] == 0


def test_dose_times_let_of_both_phases_by_hand() -> None:
    """55 of 65 Gy(RBE) are protons: 50 Gy physical at 3 keV/um; photons count nothing."""
    place = ball((45.0, 20.0, 10.0), 8.0)
    found = outside_risk(patient(place, Treatment((PROTONS, BOOST))))
    assert found["risk.dose-let"] == pytest.approx(150.0, rel=1e-4)
    half = outside_risk(patient(place, Treatment((PROTONS, BOOST)), gy=32.5))
    assert half["risk.dose-let"] == pytest.approx(75.0, rel=1e-4)
    unknown = Treatment((Phase(Radiation.PROTON, 55.0, 25, biological=True), BOOST))
    assert np.isnan(outside_risk(patient(place, unknown))["risk.dose-let"])
    assert np.isnan(outside_risk(patient(place))["risk.dose-let"])


def test_neither_a_later_course_nor_a_wrong_share_counts() -> None:
    """Photons alone so far; and 50 of 60 Gy physical protons on a map of physical dose."""
    place = ball((45.0, 20.0, 10.0), 8.0)
    again = Phase(Radiation.PROTON, 35.0, 10, start_day=300, biological=True, let=3.0)
    photons = Phase(Radiation.PHOTON, 65.0, 30)
    assert outside_risk(patient(place, Treatment((photons, again))))["risk.dose-let"] == 0
    physical = DoseMap(np.full(SHAPE, 60, np.float32), AFFINE, biological=False)
    day = Timepoint(90, {}, tumour=place, dose=physical)
    found = outside_risk(Patient("p", (day,), Treatment((PROTONS, BOOST)), landmark=100.0))
    assert found["risk.dose-let"] == pytest.approx(150.0, rel=1e-4)


def test_what_is_new_counts() -> None:
    """The first tumour lies at the ventricle, what is new does not."""
    first, far = ball((14.0, -20.0, 24.0), 3.0), ball((45.0, 20.0, 10.0), 8.0)
    both = LabelMap(np.maximum(first.voxels, far.voxels), AFFINE)
    days = (Timepoint(-5, {}, tumour=first), Timepoint(90, {}, tumour=both))
    assert outside_risk(Patient("p", days, landmark=100.0))["risk.periventricular"] == 0
    assert outside_risk(Patient("p", days))["risk.periventricular"] > 0.95  # day -5 alone
    assert np.isnan(list(outside_risk(Patient("p")).values())).all()


def test_a_model_without_them_measures_nothing() -> None:
    def view(given: Patient) -> Patient:
        return given

    assert with_risk(view, ["age"]) is view
    seen = with_risk(view, ["risk.dose-let"])(patient(ball((45.0, 20.0, 10.0), 8.0)))
    assert set(FEATURES) <= set(seen.clinical)
