"""Table 1: counts, codes and medians by hand; what was filled in is unknown."""

from flame.core.cohort import Cohort, Outcome, Patient
from flame.evaluation.outcomes.characteristics import characteristics

NAN = float("nan")


def patient(name: str, sex: float, mgmt: float, response: bool, imputed: str = "") -> Patient:
    clinical = {"age": 60.0 + sex, "sex": sex, "mgmt": mgmt}
    outcome = Outcome(response, 100.0, died=not response)
    return Patient(name, clinical=clinical, outcome=outcome, imputed=frozenset({imputed} - {""}))


COHORTS = [
    Cohort("A", (patient("1", 1, 1, True), patient("2", 2, 0.5, False, "mgmt")), False),
    Cohort("B", (patient("3", 2, NAN, True), patient("4", 2, 0, True)), False),
]


def test_rows_by_hand() -> None:
    section = characteristics(COHORTS, ("mgmt", "nowhere"), "responders")
    assert section.columns == ["characteristic", "A", "B", "all"]
    rows = {str(row[0]): [str(cell) for cell in row[1:]] for row in section.rows}
    assert rows["patients"] == ["2", "2", "4"]
    assert rows["responders"] == ["1 (50 %)", "2 (100 %)", "3 (75 %)"]
    assert rows["deaths"] == ["1 (50 %)", "0 (0 %)", "1 (25 %)"]
    assert rows["days of follow-up"][0] == "100 (100 to 100)"
    assert rows["sex = 1"] == ["1 (50 %)", "0 (0 %)", "1 (25 %)"]
    assert rows["sex = 2"] == ["1 (50 %)", "2 (100 %)", "3 (75 %)"]
    # The value of 0.5 was filled in, and one is missing.
    assert rows["mgmt"] == ["1 (100 %), 1 unknown", "0 (0 %), 1 unknown", "1 (50 %), 2 unknown"]
    assert "nowhere" not in rows
