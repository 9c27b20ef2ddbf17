"""Patients simulated as preprocessed folders are those of the DICOM simulation."""

from pathlib import Path

import numpy as np
import pytest

from flame.io.bids import read_timepoint, write_dataset_description
from flame.preprocessing.cohort.cohort import read_cohort
from flame.preprocessing.cohort.tables import write_participants
from flame.simulation.anatomy import template_head, warped_head
from flame.simulation.chemotherapy import CYCLES, KILLED, cycles
from flame.simulation.derivatives import simulate_subject, write_tables
from flame.simulation.readers import drawn
from flame.simulation.tumour import simulate_course

DAYS = (-10, 30)


def test_a_part_of_the_head_gives_the_course_of_the_whole_head() -> None:
    head = warped_head(np.random.default_rng(5))
    whole = simulate_course(head, DAYS, 5)
    part = simulate_course(head, DAYS, 5, reach_mm=56.0)
    assert part.volumes == pytest.approx(whole.volumes, rel=0.02, abs=0.1)
    assert (part.rano, part.treatment) == (whole.rano, whole.treatment)
    box = tuple(slice(a, a + n) for a, n in zip(part.corner, part.dose.shape, strict=True))
    first = min(DAYS)
    assert np.allclose(whole.densities[first][0][box], part.densities[first][0], atol=0.02)


def test_a_subject_has_contours_dose_and_tables_that_a_cohort_reads(tmp_path: Path) -> None:
    made = simulate_subject(tmp_path / "own", 0, 3, DAYS, seed=1, lifelike=True)
    again = simulate_subject(tmp_path / "twin", 0, 3, DAYS, seed=1, lifelike=True)
    assert made == again
    preprocessed = tmp_path / "preprocessed"
    write_participants(preprocessed, {"other": {"age": 50.0}}, {}, "a test")
    write_tables(tmp_path / "own", preprocessed, [made])
    write_dataset_description(tmp_path / "own", "own", simulated=True)
    cohort = read_cohort(tmp_path / "own", "own", lambda patient: patient)
    other, patient = cohort.patients
    assert other.pseudonym == "other"
    assert cohort.simulated
    assert [t.day for t in patient.timepoints] == list(DAYS)
    assert patient.treatment == made.treatment
    assert patient.clinical["age"] == made.clinical["age"]
    assert patient.outcome.survival_days == made.clinical["survival_days"]
    first = read_timepoint(tmp_path / "own", made.subject, "01", -10)
    assert 5 < first.tumour.volume < 40  # tumours of 6 to 32 ml before radiotherapy
    assert first.dose.voxels[first.tumour.voxels > 0].min() > 50  # the prescription covers it


def test_the_way_to_the_template_undoes_the_scaling() -> None:
    head = warped_head(np.random.default_rng(2))
    middle = [
        np.argwhere(h.brain).mean(axis=0) @ h.affine[:3, :3].T + h.affine[:3, 3]
        for h in (head, template_head())
    ]
    size = [float(h.brain.sum()) for h in (head, template_head())]
    moved = head.to_template[:3, :3] @ middle[0] + head.to_template[:3, 3]
    assert moved == pytest.approx(middle[1], abs=3.0)  # the warp moves it by a few mm
    assert size[0] * np.linalg.det(head.to_template) == pytest.approx(size[1], rel=0.05)


def test_chemotherapy_kills_within_its_range_and_more_where_methylated() -> None:
    for methylated in (True, False):
        shares = [cycles(methylated, np.random.default_rng(n)) for n in range(200)]
        low, high = KILLED[methylated]
        killed = 1 - np.array([[s[day] for day in CYCLES] for s in shares])
        assert low <= killed.min() <= killed.max() <= high
        assert killed.mean() == pytest.approx(
            (low + high) / 2, abs=0.06
        )  # uniform, four standard errors


def test_readers_differ_about_the_border_only() -> None:
    density = np.zeros((12, 12, 12), np.float32)
    density[3:9, 3:9, 3:9] = 0.51  # just above the border at 0.5
    none = np.zeros_like(density)
    sizes = {int(drawn(density, none, np.random.default_rng(n)).sum()) for n in range(20)}
    assert sizes == {0, 216}
    assert drawn(density, none, None).sum() == 216
