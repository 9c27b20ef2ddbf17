"""Plans written by the simulator read back as the treatment they were written from."""

from datetime import date
from pathlib import Path

import pytest

from flame.core.errors import BadInput
from flame.core.treatment import Phase, Radiation, Treatment
from flame.io.headers import read_headers
from flame.io.radiotherapy import read_treatment
from flame.simulation.dicom_images import Study
from flame.simulation.dicom_radiotherapy import write_plans

STUDY = Study("p", "F", 60, date(2020, 3, 2), 1)


@pytest.mark.parametrize(
    "phases",
    [
        (Phase(Radiation.PHOTON, 60.0, 30),),
        (Phase(Radiation.PROTON, 60.0, 30, biological=True),),
        (
            Phase(Radiation.PHOTON, 50.0, 25),
            Phase(Radiation.CARBON, 18.0, 6, start_day=35, biological=True),
        ),
    ],
)
def test_round_trip(tmp_path: Path, phases: tuple[Phase, ...]) -> None:
    write_plans(tmp_path, STUDY, Treatment(phases))
    plans, _ = read_headers(tmp_path)
    assert read_treatment(plans[::-1]) == Treatment(phases)


def test_no_plan_is_no_treatment() -> None:
    assert read_treatment([]) is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda h: setattr(h.FractionGroupSequence[0], "NumberOfFractionsPlanned", 0), "fractions"),
        (lambda h: setattr(h.BeamSequence[0], "RadiationType", "ELECTRON"), "'ELECTRON' is not"),
        (lambda h: setattr(h, "BeamSequence", []), "no treatment beam"),
    ],
)
def test_unusable_plans_name_the_file(tmp_path: Path, change, message: str) -> None:
    write_plans(tmp_path, STUDY, Treatment((Phase(Radiation.PHOTON, 60.0, 30),)))
    plans, _ = read_headers(tmp_path)
    change(plans[0].header)
    with pytest.raises(BadInput, match=f"RP1.dcm: .*{message}"):
        read_treatment(plans)
