"""Ratings of a preprocessed centre: from masks to progression-free survival in a run."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from flame.cli import app
from flame.core.cohort import Timepoint
from flame.core.errors import BadInput
from flame.core.imaging import DoseMap, LabelMap
from flame.federation.config import TrainConfig
from flame.federation.sections import DataConfig
from flame.federation.tasks.cohorts import load_cohort
from flame.io.bids import SessionFiles, write_dataset_description, write_session
from flame.pipelines import assess

GRID = np.diag([2.0, 2, 2, 1])


def box(side: int, at: int = 8) -> LabelMap:
    """A cube of ``side`` voxels of 2 mm, 0.008 ml each."""
    voxels = np.zeros((40, 40, 40), np.uint8)
    voxels[at : at + side, at : at + side, at : at + side] = 1
    return LabelMap(voxels, GRID)


def centre_with(folder: Path, courses: dict[str, dict[int, LabelMap]], **columns: list) -> Path:
    """A finished cohort of patients with masks by day, photons of 60 Gy in 30 fractions."""
    write_dataset_description(folder, "c", False)
    table = pd.DataFrame({"participant_id": [f"sub-{n}" for n in courses], **columns})
    table.to_csv(folder / "participants.tsv", sep="\t", index=False)
    header = "patient_id\tradiation\tdose\tfractions\n"
    rows = "".join(f"{n}\tphoton\t60\t30\n" for n in courses)
    (folder / "treatments.tsv").write_text(header + rows)
    for name, days in courses.items():
        for number, (day, mask) in enumerate(days.items(), 1):
            made = Timepoint(day, {}, brain=box(30, 4), tumour=mask)
            sidecar = {"Day": day, "InputHash": "x"}
            write_session(folder, name, f"{number:02d}", SessionFiles(made), sidecar)
    return folder


@pytest.fixture
def centre(tmp_path: Path) -> Path:
    # 10 voxels a side are 8 ml; 7 are 2.7 ml, -66 %; 12 are 13.8 ml, five times the nadir.
    first = {-5: box(9), 60: box(10), 150: box(7), 240: box(12)}
    second = {-5: box(9), 60: box(10), 200: box(10)}
    return centre_with(
        tmp_path / "bids" / "c",
        {"p1": first, "p2": second, "p3": {-5: box(9)}},
        survival_days=["400", "500", "90"],
        died=["1", "0", "1"],
    )


def test_ratings_by_hand(centre: Path) -> None:
    result = assess.run(centre, "rano-2.0-volume")
    ratings = {n: [str(a.rating) for a in found] for n, found in result.ratings.items()}
    assert ratings == {
        "p1": ["before baseline", "baseline", "PR", "PD"],
        "p2": ["before baseline", "baseline", "SD"],
    }
    assert result.left_out == {"p3": "fewer than two days with a tumour mask"}
    table = pd.read_csv(centre / "response.tsv", sep="\t")
    (worst,) = table[table.rating == "PD"].to_dict("records")
    assert (worst["day"], worst["size"], worst["nadir"]) == (240, 13.824, 2.744)
    assert worst["why"] == "+404% from the nadir (PD from +40%)"


def rated(folder: Path, days: dict[int, Timepoint]) -> list[str]:
    """Ratings of one patient by volume."""
    made = centre_with(folder, {"p": {}})
    for number, (day, timepoint) in enumerate(days.items(), 1):
        sidecar = {"Day": day, "InputHash": "x"}
        write_session(made, "p", f"{number:02d}", SessionFiles(timepoint), sidecar)
    return [str(a.rating) for a in assess.run(made, "rano-2.0-volume").ratings["p"]]


def joined(*masks: LabelMap) -> LabelMap:
    return LabelMap(np.maximum.reduce([m.voxels for m in masks]), GRID)


def test_what_stops_to_enhance_is_gone_though_a_core_is_left(tmp_path: Path) -> None:
    def day(number: int, core: int, enhancing: int) -> Timepoint:
        regions = {"enhancing": box(enhancing)} if enhancing else {}
        return Timepoint(number, {}, brain=box(30, 4), tumour=box(core), regions=regions)

    found = rated(tmp_path / "c", {60: day(60, 12, 8), 150: day(150, 12, 0)})
    assert found == ["baseline", "CR"]


def test_a_target_that_becomes_small_is_still_measured(tmp_path: Path) -> None:
    # 6 voxels of 2 mm a side are measurable, 5 by 5 by 4 (8 to 10 mm) are not: -54 % is no PR.
    small = box(5)
    small.voxels[:, :, 12:] = 0
    days = {60: box(6), 150: small, 240: box(6)}
    found = rated(
        tmp_path / "c", {d: Timepoint(d, {}, brain=box(30, 4), tumour=m) for d, m in days.items()}
    )
    assert found == ["baseline", "SD", "PD"]  # 1.728 ml, 0.8 ml, and more than +40 % again


def test_a_new_lesion_that_stays_confirms_itself(tmp_path: Path) -> None:
    both = joined(box(10), box(7, 26))
    days = {60: box(10), 100: both, 140: both}
    found = rated(
        tmp_path / "c", {d: Timepoint(d, {}, brain=box(30, 4), tumour=m) for d, m in days.items()}
    )
    assert found == ["baseline", "PD", "PD"]


def test_products_of_boxes(centre: Path) -> None:
    assess.run(centre, "rano-2010")
    table = pd.read_csv(centre / "response.tsv", sep="\t").set_index(["participant_id", "day"])
    # Between the centres of voxels the diagonal of 9 by 9 is 16 * sqrt 2, and a voxel more.
    assert table.loc[("sub-p1", -5), "size"] == pytest.approx((16 * 2**0.5 + 2) ** 2, rel=0.1)
    assert table.loc[("sub-p1", -5), "rating"] == "baseline"


def test_progression_free_survival_is_an_endpoint(centre: Path) -> None:
    data = DataConfig(bids=str(centre.parent), endpoint="progression-free", horizon_days=180)
    with pytest.raises(BadInput, match="run flame assess"):
        load_cohort(TrainConfig(data), "c")
    assess.run(centre, "rano-2.0-volume")
    cohort = load_cohort(TrainConfig(data), "c")
    found = {p.pseudonym: p.outcome for p in cohort.patients}
    assert (found["p1"].survival_days, found["p1"].died) == (240, True)
    assert (found["p2"].survival_days, found["p2"].died) == (200, False)
    assert found["p3"].survival_days is None
    assert [found[n].response for n in ("p1", "p2", "p3")] == [True, True, None]
    assert "progression.tsv" in cohort.manifest


def test_the_command(centre: Path) -> None:
    shown = CliRunner().invoke(app, ["assess", str(centre)])
    assert shown.exit_code == 0
    assert "1 of 2 progressed or died" in shown.stdout


def test_bad_input(centre: Path, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="unknown criteria 'rano'"):
        assess.run(centre, "rano")
    with pytest.raises(BadInput, match="no finished cohort"):
        assess.run(tmp_path, "rano-2.0")


def test_a_reirradiation_does_not_move_the_end_of_the_first_course(tmp_path: Path) -> None:
    """60 Gy in 30 fractions, PD on day 200, re-irradiation from day 300: progression on day 200."""
    days = {-5: box(9), 60: box(10), 200: box(12), 340: box(12), 400: box(9)}
    made = centre_with(tmp_path / "c", {"p": days})
    (made / "treatments.tsv").write_text(
        "patient_id\tradiation\tdose\tfractions\tstart_day\n"
        "p\tphoton\t60\t30\t0\np\tphoton\t35\t10\t300\n"
    )
    found = assess.run(made, "rano-2.0-volume").progressions["p"]
    assert (found.days, found.progressed) == (200, True)
    rows = pd.read_csv(made / "response.tsv", sep="\t")
    assert rows[["course", "day", "rating"]].to_numpy().tolist() == [
        [1, -5, "before baseline"],
        [1, 60, "baseline"],
        [1, 200, "PD"],
        [2, 340, "baseline"],  # the first day after the last fraction, on day 311
        [2, 400, "SD"],  # 5.8 of 13.8 ml: -58 %
    ]


def test_without_progression_before_it_a_reirradiation_ends_the_follow_up(tmp_path: Path) -> None:
    days = {-5: box(9), 60: box(10), 200: box(10), 400: box(14)}
    made = centre_with(tmp_path / "c", {"p": days})
    (made / "treatments.tsv").write_text(
        "patient_id\tradiation\tdose\tfractions\tstart_day\n"
        "p\tphoton\t60\t30\t0\np\tphoton\t35\t10\t300\n"
    )
    found = assess.run(made, "rano-2.0-volume").progressions["p"]
    assert (found.days, found.progressed) == (200, False)
    table = pd.DataFrame({"participant_id": ["sub-p"], "survival_days": [900], "died": [1]})
    table.to_csv(made / "participants.tsv", sep="\t", index=False)
    found = assess.run(made, "rano-2.0-volume").progressions["p"]
    assert (found.days, found.progressed) == (200, False)  # nobody looked between 200 and 900


@pytest.mark.parametrize(
    ("at", "rating"), [(10, "unconfirmed PD"), (30, "PD")], ids=["in the field", "outside"]
)
def test_early_progression_needs_a_lesion_outside_the_80_percent_isodose(
    tmp_path: Path, at: int, rating: str
) -> None:
    """RANO 2010: the dose is 60 Gy below voxel 22, and 47 Gy (78 %) from there on."""
    dose = np.full((40, 40, 40), 60, np.float32)
    dose[22:] = 47
    target, new = box(6, 2), box(6, at)
    days = {
        -5: Timepoint(-5, {}, box(30, 4), target, DoseMap(dose, GRID, False)),
        60: Timepoint(60, {}, box(30, 4), joined(target, new)),
    }
    made = centre_with(tmp_path / "c", {"p": {}})
    for number, (day, timepoint) in enumerate(days.items(), 1):
        sidecar = {"Day": day, "InputHash": "x"}
        write_session(made, "p", f"{number:02d}", SessionFiles(timepoint), sidecar)
    ratings = assess.run(made, "rano-2010").ratings["p"]
    assert [str(a.rating) for a in ratings] == ["baseline", rating]


def test_early_growth_is_no_progression_where_the_dose_is_unknown(tmp_path: Path) -> None:
    days = {-5: box(6), 60: box(12), 200: box(14)}
    made = centre_with(tmp_path / "c", {"p": days})
    _, early, late = assess.run(made, "rano-2010").ratings["p"]
    assert str(early.rating) == "unconfirmed PD"
    assert early.why.endswith("no PD this soon after radiotherapy: the dose is unknown")
    assert str(late.rating) == "PD"
