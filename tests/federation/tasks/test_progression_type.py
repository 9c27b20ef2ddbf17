"""Pseudoprogression or progression: labels by hand, and on simulated courses of known truth."""

from dataclasses import replace

import numpy as np
import pytest

from flame.core.cohort import Cohort, Patient, Timepoint
from flame.core.errors import BadInput
from flame.core.imaging import DoseMap, LabelMap
from flame.core.treatment import Phase, Radiation, Treatment
from flame.federation.config import TrainConfig
from flame.federation.sections import DataConfig
from flame.federation.tasks.progression_type import LABEL, at_first_increase
from flame.federation.tasks.registry import open_task
from flame.io.tumour_masks import ENHANCING
from flame.models.clinical.rano import CRITERIA
from flame.models.response.inputs import ResponseModelConfig
from flame.simulation.anatomy import warped_head
from flame.simulation.tumour import (
    ENHANCING_LABEL,
    NECROTIC_CORE,
    PSEUDOPROGRESSION,
    labels,
    reaction,
    simulate_course,
)

RULES = CRITERIA["rano-2.0-volume"]
PHOTONS = Treatment((Phase(Radiation.PHOTON, 60.0, 30),))  # ends on day 39; the window on day 123
AFFINE = np.diag([5.0, 5, 5, 1])


def patient(*days: tuple[int, int], **clinical: float) -> Patient:
    """Cubes of a side in voxels of 5 mm on each day."""

    def timepoint(day: int, side: int) -> Timepoint:
        mask = np.zeros((16, 16, 16), np.uint8)
        mask[:side, :side, :side] = 1
        tumour = LabelMap(mask, AFFINE)
        dose = DoseMap(np.full(mask.shape, 60.0, np.float32), AFFINE, biological=False)
        return Timepoint(day, {}, tumour=tumour, regions={ENHANCING: tumour}, dose=dose)

    return Patient("p", tuple(timepoint(*d) for d in days), PHOTONS, clinical)


@pytest.mark.parametrize(
    ("days", "landmark", "response"),
    [
        (((-5, 6), (50, 5), (80, 8), (120, 4)), 80, True),  # grew, then receded
        (((-5, 6), (50, 5), (80, 8), (120, 10)), 80, False),  # 1000 of 512 ml: + 95 %
        (((-5, 6), (50, 5), (80, 8), (100, 10)), 80, None),  # 20 days later is too soon
        (((-5, 6), (50, 5), (80, 8), (120, 8)), 80, True),  # persists, and does not grow
        (((-5, 6), (50, 5), (80, 5), (120, 5)), 123, None),  # no increase
        (((-5, 6), (50, 5), (130, 8), (170, 4)), 123, None),  # an increase after the window
    ],
)
def test_labels_by_hand(
    days: tuple[tuple[int, int], ...], landmark: float, response: bool | None
) -> None:
    seen = at_first_increase(patient(*days), RULES)
    assert seen.landmark == landmark
    assert seen.outcome.response is response
    assert bool(seen.left_out) == (landmark == 123)
    assert all(t.day <= landmark for t in seen.timepoints)


def test_a_label_in_the_table_goes_before_that_of_imaging() -> None:
    days = ((-5, 6), (50, 5), (80, 8), (120, 10))
    assert at_first_increase(patient(*days, pseudoprogression=1.0), RULES).outcome.response is True
    known = at_first_increase(patient(*days, pseudoprogression=np.nan), RULES)
    assert known.outcome.response is False


def config(**model: object) -> TrainConfig:
    features = ResponseModelConfig(kind="logistic", clinical=("mgmt", "course_log_change_nadir"))
    return TrainConfig(DataConfig(bids="b"), replace(features, **model), task="progression-type")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"landmark_day": 30.0}, "on the day of the first increase"),
        ({"clinical": ("mgmt", LABEL)}, "holds the label"),
        ({"criteria": "rano"}, "unknown criteria"),
    ],
)
def test_what_does_not_suit_is_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(BadInput, match=message):
        open_task(config(**changes))


def test_the_task_sees_no_later_day_and_words_its_outcome() -> None:
    task = open_task(config())
    view = task.view()
    assert view is not None
    grown = patient((-5, 6), (50, 5), (80, 8), (120, 4), mgmt=1.0)
    inputs = task.patients(Cohort("A", (view(grown),), simulated=True))
    assert inputs.response.tolist() == [1.0]
    assert inputs.clinical[0].tolist() == pytest.approx([1.0, np.log(512 / 125)])
    assert "does not grow further" in task.texts().outcome


def simulated(seed: int) -> tuple[bool, Patient]:
    head = warped_head(np.random.default_rng(seed))
    course = simulate_course(head, (-10, 45, 75, 110, 165), seed, reacts=True)
    days = []
    for day in (-10, 45, 75, 110, 165):
        label_map = labels(*course.densities[day])
        drawn = (label_map == ENHANCING_LABEL) | (label_map == NECROTIC_CORE)
        mask = LabelMap(drawn.astype(np.uint8), head.affine)
        days.append(Timepoint(day, {}, tumour=mask, regions={ENHANCING: mask}))
    return course.pseudoprogression, Patient("p", tuple(days), course.treatment)


@pytest.mark.slow
def test_labels_of_simulated_courses_are_their_truth() -> None:
    """Of 40 patients 14 are labelled; every label is the truth of the simulation."""
    found = []
    for seed in range(40):
        truth, person = simulated(seed)
        label = at_first_increase(person, RULES).outcome.response
        if label is not None:
            found.append((truth, label))
    assert len(found) >= 10
    assert all(truth == label for truth, label in found)
    assert {label for _, label in found} == {True, False}


def test_a_reaction_comes_and_goes_within_the_high_dose() -> None:
    live = np.zeros((20, 20, 20), np.float32)
    live[8:12, 8:12, 8:12] = 0.9
    dose = np.zeros_like(live)
    dose[4:16, 4:16, :12] = 60.0
    nothing = np.zeros_like(live)
    seen = reaction(dict.fromkeys((-10, 40, 75, 150), (live, nothing)), dose, peak=0.8)
    added = {day: dead.sum() for day, (_, dead) in seen.items()}
    assert added[-10] == added[40] == added[150] == 0
    assert added[75] > 0
    assert not seen[75][1][dose == 0].any()
    assert max(sum(pair).max() for pair in seen.values()) <= 1
    assert PSEUDOPROGRESSION[True] == pytest.approx(21 / 36, abs=0.01)
    assert PSEUDOPROGRESSION[False] == pytest.approx(11 / 67, abs=0.01)
