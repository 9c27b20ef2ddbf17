"""Patients unlike the training patients are told, by hand-computed distances."""

import numpy as np
import pytest

from flame.core.errors import BadInput
from flame.core.treatment import Phase, Radiation, Treatment
from flame.models.evolution.counterfactual import main_radiation, under
from flame.models.evolution.model import EvolutionCase
from flame.models.evolution.out_of_distribution import (
    FEATURES,
    features,
    radiation_counts,
    unknown_radiations,
    unlike,
)
from flame.physics.radiobiology import bed
from tests.helpers.tumours import ball, tumour_case

CARBON = Treatment(
    (
        Phase(Radiation.PHOTON, 50.0, 25),
        Phase(Radiation.CARBON, 18.0, 6, start_day=35, biological=True),
    )
)


def test_features_by_hand() -> None:
    case = tumour_case(radius=15.0, history=((-40, ball(12.0)),))
    found = dict(zip(FEATURES, features(case), strict=True))
    ml = case.ml(case.tumour)
    assert found["tumour volume"] == pytest.approx(np.log(ml))
    assert found["growth before radiotherapy"] == pytest.approx(np.log(ml / case.ml(ball(12.0))))
    assert found["BED"] == pytest.approx(75)  # 60 Gy in 2 Gy at alpha/beta 8
    assert np.isnan(found["contrast of the tumour on T1c"])  # the images are empty


def test_far_away_is_said_and_near_is_not() -> None:
    case = tumour_case()
    mean, count = np.nan_to_num(features(case)), np.full(len(FEATURES), 10.0)
    squares = np.full(len(FEATURES), 9.0)  # a standard deviation of 1
    assert unlike(case, count, mean, squares) == []
    (sentence,) = unlike(case, count, mean + [4, 0, 0, 0, 0], squares)
    assert sentence.startswith("tumour volume is")
    assert "4 standard deviations" in sentence
    # Patients who are all alike still vary a little: 2 Gy more is nothing.
    assert unlike(case, count, mean + [0, 0, 2, 0, 0], 0 * squares) == []
    (sentence,) = unlike(case, count * [1, 0, 1, 1, 1], mean, squares)
    assert sentence == "growth before radiotherapy is known for fewer than 2 training patients"


def test_radiations_never_seen() -> None:
    counts = radiation_counts([tumour_case(), tumour_case(treatment=CARBON)])
    assert counts.tolist() == [1, 0, 1]
    (sentence,) = unknown_radiations(counts, tuple(Radiation))
    assert "proton" in sentence
    assert not unknown_radiations(counts, (Radiation.PHOTON,))


@pytest.mark.parametrize("radiation", list(Radiation))
def test_under_another_radiation(radiation: Radiation) -> None:
    case = tumour_case()
    found: EvolutionCase = under(case, radiation)
    assert main_radiation(found.treatment) is radiation
    assert (found is case) == (radiation is Radiation.PHOTON)
    # By default the same doses and fractions, so that the BED is the same.
    assert found.dose.max() == pytest.approx(60)
    assert bed(found.treatment) == pytest.approx(bed(case.treatment))
    protocol = under(case, radiation, CARBON)
    assert protocol.dose.max() == pytest.approx(68)


def test_a_radiation_cannot_be_compared_without_a_course_that_lies_ahead() -> None:
    for changes in ({"treatment": None}, {"dose": None}, {"day": 70, "later": (), "history": ()}):
        with pytest.raises(BadInput, match="before radiotherapy only"):
            under(tumour_case(**changes), Radiation.CARBON)
