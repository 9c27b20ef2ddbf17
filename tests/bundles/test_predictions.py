"""Predictions for new patients: values, doubts and drivers, by hand and by lifelines."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from lifelines import CoxPHFitter

from flame.bundles.cohorts import read_cohorts
from flame.bundles.description import card, features, inference, metadata
from flame.bundles.model import open_model
from flame.bundles.predictions import moved_by_images, predict, threshold
from flame.bundles.predictions_page import render
from flame.core.cohort import Cohort, Patient
from flame.core.errors import BadInput
from flame.models.response.inputs import Inputs


def cohort(*clinical: dict[str, float]) -> Cohort:
    patients = tuple(Patient(f"p{n}", clinical=values) for n, values in enumerate(clinical))
    return Cohort("D", patients, simulated=True)


def test_survival_is_that_of_lifelines_without_strata(cox: Path, folder: Path) -> None:
    """The hospitals of the simulation have one hazard, so a fit without strata is close."""
    model = open_model(cox)
    table = pd.read_csv(folder / "training.csv")[["age", "mgmt", "days", "died"]]
    fitted = CoxPHFitter().fit(table, "days", "died")
    people = [{"age": 50.0, "mgmt": 1.0}, {"age": 70.0, "mgmt": 0.0}]
    found = predict(model, cohort(*people)).table
    theirs = fitted.predict_survival_function(pd.DataFrame(people), times=[365.25, 730.5])
    assert np.allclose(found["alive at 1 y"], theirs.iloc[0], atol=0.03)
    assert np.allclose(found["alive at 2 y"], theirs.iloc[1], atol=0.03)
    medians = fitted.predict_median(pd.DataFrame(people))
    assert np.allclose(found["median days"], medians, rtol=0.12)
    assert (found["low"] < found["median days"]).all()
    assert (found["median days"] < found["high"]).all()


def test_drivers_of_a_regression_add_up_to_the_log_odds(logistic: Path) -> None:
    """With standardised features, log odds = constant + sum of what each feature moves."""
    model = open_model(logistic)
    found = predict(model, cohort({"age": 75.0, "mgmt": 0.0}))
    p = found.by_seed[0, 0]
    moved = found.drivers["moves by"].sum()
    assert np.log(p / (1 - p)) == pytest.approx(model.shared["beta"][0] + moved)


def test_a_missing_value_moves_nothing_and_is_named(logistic: Path) -> None:
    found = predict(open_model(logistic), cohort({"age": 62.0, "mgmt": np.nan}))
    assert found.table.missing[0] == "mgmt"
    assert found.drivers.set_index("feature").loc["mgmt", "moves by"] == 0


def test_patients_outside_the_training_population_are_named(logistic: Path) -> None:
    model = open_model(logistic)
    known = features(model).set_index("feature")
    far = float(known.loc["age", "mean"] + 3.5 * known.loc["age", "sd"])
    near = float(known.loc["age", "mean"] + 2.5 * known.loc["age", "sd"])
    notes = predict(model, cohort({"age": far, "mgmt": 0.0}, {"age": near, "mgmt": 0.0})).table.note
    assert "outside the training population" in notes[0]
    assert "age" in notes[0]
    assert notes[1] == ""


def test_the_cut_is_the_share_of_responders_in_training(logistic: Path, folder: Path) -> None:
    table = pd.read_csv(folder / "training.csv")
    known = table[(table.days > 365) | (table.died == 1)]
    assert threshold(open_model(logistic)) == pytest.approx((known.days > 365).mean())


def test_a_table_without_a_column_of_hospitals_is_one_hospital(
    logistic: Path, tmp_path: Path
) -> None:
    path = tmp_path / "clinic.csv"
    path.write_text("subject,age,mgmt\nx,61,1\ny,70,0\n")
    (read,) = read_cohorts(open_model(logistic), path, with_outcome=False)
    assert read.centre == "clinic"
    assert len(read.patients) == 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("subject,mgmt\nx,1\n", "no column 'age'"),
        ("subject,age,mgmt\n", "no rows"),
        ("id,age,mgmt\nx,61,1\n", "no column 'subject'"),
    ],
)
def test_a_table_that_does_not_suit_is_refused(
    logistic: Path, tmp_path: Path, text: str, message: str
) -> None:
    path = tmp_path / "clinic.csv"
    path.write_text(text)
    with pytest.raises(BadInput, match=message):
        read_cohorts(open_model(logistic), path, with_outcome=False)


def test_other_names_of_columns_can_be_set(logistic: Path, tmp_path: Path) -> None:
    path = tmp_path / "clinic.csv"
    path.write_text("id,age,mgmt\nx,61,1\n")
    model = open_model(logistic).configured(["data.id_column=id"])
    assert read_cohorts(model, path, with_outcome=False)[0].patients[0].pseudonym == "x"
    with pytest.raises(BadInput, match="of a trained model only"):
        model.configured(["training.rounds=3"])


def test_the_page_and_the_card_say_what_the_model_is(cox: Path, folder: Path) -> None:
    model = replace(open_model(cox), name="<b>model</b>")
    (read,) = read_cohorts(model, folder / "new.csv", with_outcome=False)
    html = render(model, [predict(model, read)], simulated=True)
    assert "D-0" in html
    assert "&lt;b&gt;model" in html  # a name is text, whatever it holds
    assert "Simulated" in html
    text = card(model, "tests", "", "")
    assert "Research only" in text
    assert "simulated patients of 3 hospitals" in text
    assert metadata(model, "", "", "", "1")["flame"]["simulated_patients"] is True
    assert "run" in inference()


def test_a_patient_with_nothing_to_predict_has_the_reason(logistic: Path) -> None:
    people = cohort({"age": 60.0, "mgmt": 1.0}, {"age": 61.0, "mgmt": 0.0})
    first, second = people.patients
    left_out = replace(second, left_out="no increase")
    found = predict(open_model(logistic), replace(people, patients=(first, left_out)))
    assert len(found.inputs.pseudonyms) == 1
    assert found.table.set_index("patient").loc["p1", "note"] == "no increase"


@pytest.mark.parametrize("encoder", [False, True])
def test_an_image_moves_a_prediction_by_what_hiding_it_changes(encoder: bool) -> None:
    # The "model" sums all voxels: eight of 2 in T1C, and of 0.5 in FLAIR, are 16 and 4.
    image = np.zeros((1, 2, 2, 2, 4 if encoder else 2), np.float32)
    image[..., 1] = 2.0
    image[..., 3 if encoder else 0] = 0.5
    empty = np.zeros((1, 0))
    one = np.ones(1)
    inputs = Inputs("a", ("p",), image, empty, empty, one, one, one)
    moved = moved_by_images(
        lambda p: p.image.sum(axis=(1, 2, 3, 4)), inputs, ("FLAIR", "T1C"), encoder
    )
    assert {name: float(change[0]) for name, change in moved.items()} == {"T1C": 16, "FLAIR": 4}
