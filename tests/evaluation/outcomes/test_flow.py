"""The flow of patients adds up, hospital by hospital."""

import numpy as np

from flame.core.cohort import Cohort, Patient
from flame.evaluation.outcomes.flow import flow_section
from flame.models.response.inputs import Inputs


def hospital(name: str, responses: list[float], **excluded: int) -> tuple[Cohort, Inputs]:
    names = tuple(f"{name}{n}" for n in range(len(responses)))
    empty, nobody = np.zeros((len(names), 0), np.float32), np.full(len(names), np.nan)
    inputs = Inputs(
        name,
        names,
        empty,
        empty.astype(float),
        empty,
        np.array(responses, np.float32),
        nobody,
        nobody,
    )
    return Cohort(name, tuple(map(Patient, names)), False, excluded=excluded), inputs


def test_everyone_read_is_analysed_or_left_out_by_a_rule() -> None:
    cohorts, inputs = zip(
        hospital("A", [1, 0, np.nan], mutant=2),
        hospital("B", [1, 0], mutant=1, early=4),
        strict=True,
    )
    section = flow_section(list(cohorts), list(inputs))
    assert section.columns == ["hospital", "read", "mutant", "early", "outcome unknown", "analysed"]
    assert section.rows == [["A", "5", "2", "0", "1", "2"], ["B", "7", "1", "4", "0", "2"]]
    for row in section.rows:
        read, *out, analysed = map(int, map(str, row[1:]))
        assert read - sum(out) == analysed
    assert section.figure.startswith("<svg")
