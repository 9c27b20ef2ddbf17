import numpy as np
import pytest

from flame.core.cohort import Cohort, Outcome, Patient, Timepoint
from flame.core.errors import BadInput
from flame.core.imaging import Scan, Sequence
from flame.core.treatment import Phase, Radiation, Treatment
from flame.models.response.inputs import ResponseModelConfig, build_inputs, treatment_vector


def test_treatment_vector_by_hand() -> None:
    # Photon 50 Gy in 25 and carbon 18 GyRBE in 6: shares of 68; BED8 = 50 * 1.25 + 18 * 1.375.
    mixed = Treatment(
        (Phase(Radiation.PHOTON, 50, 25), Phase(Radiation.CARBON, 18, 6, biological=True))
    )
    expected = [50 / 68, 0, 18 / 68, (62.5 + 24.75) / 100]
    assert treatment_vector(mixed) == pytest.approx(expected, abs=1e-6)


def test_a_model_tells_large_fractions_from_a_large_dose() -> None:
    # 40.05 Gy in 15: BED8 = 40.05 * (1 + 2.67 / 8), EQD2 at 3 = 40.05 * (2.67 + 3) / 5.
    short = patient("a", True, treatment=Treatment((Phase(Radiation.PHOTON, 40.05, 15),)))
    found = build_inputs(Cohort("c", (short,), False), ResponseModelConfig(treatment=True))
    expected = [1, 0, 0, 0.4005 * (1 + 2.67 / 8), 0.4005 * (2.67 + 3) / 5]
    assert found.treatment[0] == pytest.approx(expected, abs=1e-6)


def day(number: int, value: float) -> Timepoint:
    voxels = np.full((2, 3, 4), value, np.float32)
    return Timepoint(number, {Sequence.T1C: Scan(voxels, np.eye(4), Sequence.T1C)})


def patient(name: str, response: bool | None, **changes: object) -> Patient:
    known = {"timepoints": (day(-40, 1), day(-5, 2), day(60, 3)), "clinical": {"age": 50.0}}
    return Patient(name, outcome=Outcome(response), **{**known, **changes})  # type: ignore[arg-type]


def test_baseline_is_the_last_day_before_radiotherapy_and_unlabelled_are_kept_apart() -> None:
    cohort = Cohort("c", (patient("a", True), patient("b", None), patient("d", False)), False)
    found = build_inputs(cohort, ResponseModelConfig(sequences=("T1C",), clinical=("age",)))
    assert found.pseudonyms == ("a", "b", "d")
    assert found.labelled.tolist() == [0, 2]
    assert found.image.shape == (3, 2, 3, 4, 1)
    assert (found.image == 2).all()
    assert found.response[[0, 2]].tolist() == [1, 0]
    assert np.isnan(found.survival_days).all()


def test_imaging_after_radiotherapy_never_stands_in_for_the_baseline() -> None:
    late = patient("late", True, timepoints=(day(60, 3),))
    config = ResponseModelConfig(sequences=("T1C",))
    with pytest.raises(BadInput, match="patient late has no T1C before radiotherapy"):
        build_inputs(Cohort("c", (late,), False), config)
    unknown = patient("unknown", None, timepoints=(day(60, 3),))
    kept = build_inputs(Cohort("c", (patient("a", True), unknown), False), config)
    assert kept.pseudonyms == ("a",)


def test_missing_status_counts_as_a_death() -> None:
    outcomes = (Outcome(True, 100.0, None), Outcome(True, 100.0, False), Outcome(True, None, None))
    cohort = Cohort("c", tuple(Patient(str(i), outcome=o) for i, o in enumerate(outcomes)), False)
    assert build_inputs(cohort, ResponseModelConfig()).died.tolist() == [1, 0, 0]


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (ResponseModelConfig(sequences=("FLAIR",)), "no FLAIR before radiotherapy"),
        (ResponseModelConfig(treatment=True), "no radiotherapy plan"),
        (ResponseModelConfig(clinical=("agee",)), "no clinical feature 'agee': did you mean 'age'"),
    ],
)
def test_what_the_model_needs_and_a_patient_lacks(
    config: ResponseModelConfig, message: str
) -> None:
    with pytest.raises(BadInput, match=message):
        build_inputs(Cohort("c", (patient("a", True),), False), config)
