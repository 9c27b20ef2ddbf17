"""Simulated evolution: repeatable, each radiation followed, worlds that really differ."""

from dataclasses import replace

import numpy as np
import pytest
from simulated_evolution import (
    BASELINE,
    CONFOUNDED,
    CROSSED,
    EARLIER,
    FOLLOW_UPS,
    simulate_evolution,
    treated,
    untreated,
)

from flame.core.treatment import Phase, Radiation
from flame.physics.radiobiology import rbe
from flame.simulation.world import WORLDS, World


@pytest.fixture(scope="module")
def patients() -> dict[str, object]:
    return {name: simulate_evolution(WORLDS[name], CROSSED, 0, 1, 3) for name in WORLDS}


def test_same_seed_same_patient(patients: dict) -> None:
    again = simulate_evolution(WORLDS["a"], CROSSED, 0, 1, 3)
    first = patients["a"]
    assert again.given == first.given
    for radiation in Radiation:
        a, b = first.under[radiation], again.under[radiation]
        assert np.array_equal(a.tumour, b.tumour)
        assert np.array_equal(a.images, b.images)
        assert all(np.array_equal(m, n) for (_, m), (_, n) in zip(a.later, b.later, strict=True))


@pytest.mark.slow
def test_designs_share_the_patient_before_radiotherapy() -> None:
    world, null = WORLDS["a"], replace(WORLDS["a"], null=True)
    patient = untreated(world, 1, 2, 7)
    for kind, chosen in ((CROSSED, world), (CONFOUNDED, world), (CROSSED, null)):
        shared = treated(patient, chosen, kind, counterfactual=False)
        own = simulate_evolution(chosen, kind, 1, 2, 7, counterfactual=False)
        assert shared.given == own.given
        assert list(shared.under) == [own.given]
        for a, b in (
            (shared.case.images, own.case.images),
            (shared.case.dose, own.case.dose),
            (shared.case.later[-1][1], own.case.later[-1][1]),
        ):
            assert np.array_equal(a, b)


def test_days_and_units(patients: dict) -> None:
    for found in patients.values():
        case = found.case
        assert (case.day, case.earlier[0]) == (BASELINE, EARLIER)
        assert tuple(d for d, _ in case.later) == FOLLOW_UPS
        assert 59 < case.dose.max() < 69  # Gy
        assert 4 < case.ml(case.tumour) < 90
        assert case.ml(case.earlier[1]) < case.ml(case.tumour)
        assert case.images[case.tumour][:, 0].mean() > 0.3  # enhances


def test_carbon_does_most_and_the_recorded_dose_does_not_say_so(patients: dict) -> None:
    for found in patients.values():
        last = {r: c.ml(c.later[-1][1]) for r, c in found.under.items()}
        assert last[Radiation.CARBON] <= last[Radiation.PROTON] <= last[Radiation.PHOTON] + 0.5


def test_in_a_null_world_nothing_but_the_name_differs() -> None:
    found = simulate_evolution(replace(WORLDS["b"], null=True), CROSSED, 1, 0, 5)
    photon = found.under[Radiation.PHOTON]
    for case in found.under.values():
        assert np.array_equal(case.dose, photon.dose)
        for (_, a), (_, b) in zip(case.later, photon.later, strict=True):
            assert np.array_equal(a, b)


@pytest.mark.slow
def test_confounded_centres_give_one_radiation_each() -> None:
    world = World()
    given = [simulate_evolution(world, CONFOUNDED, c, 0, 1).given for c in range(3)]
    assert given == list(Radiation)


def test_efficacy_by_hand() -> None:
    proton = Phase(Radiation.PROTON, 55.0, 25, biological=True)  # 2 Gy physical at RBE 1.1
    world = WORLDS["a"]
    assert world.efficacy(proton) == pytest.approx(float(rbe(2.0, 4.0, 8.0, "mcnamara")) / 1.1)
    assert world.efficacy(Phase(Radiation.PHOTON, 60.0, 30)) == 1
    carbon = Phase(Radiation.CARBON, 18.0, 6, biological=True)  # 1 Gy physical at RBE 3
    assert world.efficacy(carbon) == pytest.approx(1.3 * float(rbe(1.0, 75.0, 8.0, "mkm")) / 3)
    assert replace(world, null=True).efficacy(carbon) == 1
