"""A bundle predicts as its run does, without the run, its table, or a row of a patient."""

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import onnxruntime
import pandas as pd
import pytest
from scipy.special import expit

from flame.bundles.bundle import About, write_bundle
from flame.bundles.cohorts import read_cohorts
from flame.bundles.model import open_model
from flame.bundles.networks import write_networks
from flame.bundles.predictions import predict
from flame.core.errors import BadInput
from flame.core.keras_import import keras
from flame.core.monai_import import monai
from flame.preprocessing.harmonisation.standardisation import moments_in, standardise

RUNS = ("logistic", "cox", "network")


@pytest.fixture(params=RUNS)
def run(request: pytest.FixtureRequest) -> Path:
    path: Path = request.getfixturevalue(request.param)
    return path


def test_a_bundle_predicts_as_its_run_without_the_run(
    run: Path, folder: Path, tmp_path: Path
) -> None:
    model = open_model(run)
    write_bundle(model, tmp_path / "model", About(name="m"))
    moved = shutil.move(tmp_path / "model", tmp_path / "elsewhere")
    bundle = open_model(Path(moved))
    (cohort,) = read_cohorts(bundle, folder / "new.csv", with_outcome=False)
    ours, theirs = predict(model, cohort), predict(bundle, cohort)
    assert len(ours.table) == 150
    assert np.array_equal(ours.by_seed, theirs.by_seed)
    assert np.array_equal(ours.curves, theirs.curves, equal_nan=True)


def test_no_file_of_a_bundle_names_a_patient_or_holds_a_value_of_one(
    run: Path, folder: Path, tmp_path: Path
) -> None:
    """No id, path or distinctive number (an age with its decimal, days) of training is in it."""
    write_bundle(open_model(run), tmp_path / "model", About())
    table = pd.read_csv(folder / "training.csv")
    told = {str(v) for v in (*table.subject, *table.noise)} | {str(folder)}
    for path in (tmp_path / "model").rglob("*"):
        if path.is_file() and path.suffix not in (".npz", ".keras", ".onnx"):
            cells = {c for row in csv.reader(path.read_text().splitlines()) for c in row}
            assert not cells & told, path.name
            assert str(folder) not in path.read_text()
    with np.load(tmp_path / "model/models/model.npz") as arrays:
        largest = max(array.size for array in arrays.values())
    assert largest <= 3 * 128  # the hazard of three hospitals by month; there are 360 patients


def test_a_changed_or_missing_file_is_named(logistic: Path, tmp_path: Path) -> None:
    write_bundle(open_model(logistic), tmp_path / "model", About())
    features = tmp_path / "model" / "features.csv"
    features.write_text(features.read_text() + " ")
    with pytest.raises(BadInput, match=r"features\.csv is missing or has changed"):
        open_model(tmp_path / "model")


def test_a_list_of_files_cannot_lead_out_of_the_bundle(logistic: Path, tmp_path: Path) -> None:
    write_bundle(open_model(logistic), tmp_path / "model", About())
    listed = tmp_path / "model" / "checksums.sha256"
    listed.write_text(f"{listed.read_text()}{'0' * 64}  ../secret\n")
    with pytest.raises(BadInput, match="outside the bundle"):
        open_model(tmp_path / "model")


@pytest.mark.parametrize("content", ["", "junk\n"])
def test_a_list_that_is_not_whole_is_refused(logistic: Path, tmp_path: Path, content: str) -> None:
    write_bundle(open_model(logistic), tmp_path / "model", About())
    (tmp_path / "model" / "checksums.sha256").write_text(content)
    with pytest.raises(BadInput, match="is damaged"):
        open_model(tmp_path / "model")


def test_a_bundle_replaces_a_bundle_and_nothing_else(logistic: Path, tmp_path: Path) -> None:
    model = open_model(logistic)
    write_bundle(model, tmp_path / "model", About(name="first"))
    write_bundle(model, tmp_path / "model", About(name="second"))
    assert open_model(tmp_path / "model").name == "second"
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.txt").write_text("x")
    with pytest.raises(BadInput, match="holds no bundle"):
        write_bundle(model, tmp_path / "other", About())


@pytest.mark.filterwarnings("ignore:parsing config_file:UserWarning")
def test_monai_reads_the_bundle_and_predicts_with_it(
    logistic: Path, folder: Path, tmp_path: Path
) -> None:
    root = tmp_path / "model"
    write_bundle(open_model(logistic), root, About(authors="The owners", licence="CC-BY-4.0"))
    metadata = json.loads((root / "configs/metadata.json").read_text())
    required = {"version", "changelog", "monai_version", "pytorch_version", "numpy_version"}
    required |= {"task", "description", "authors", "copyright", "network_data_format"}
    assert required <= set(metadata)
    parser = monai.bundle.ConfigParser()
    parser.read_config(root / "configs/inference.json")
    parser["bundle_root"] = str(root)
    assert parser.get_parsed_content("network_def").name == metadata["name"]
    monai.bundle.run(
        config_file=str(root / "configs/inference.json"),
        bundle_root=str(root),
        patients=str(folder / "new.csv"),
        output=str(tmp_path / "predicted"),
    )
    assert len(pd.read_csv(tmp_path / "predicted/predictions.csv")) == 150


def test_keras_and_onnx_predict_as_flame(network: Path, folder: Path, tmp_path: Path) -> None:
    """The networks give log odds from z-scores."""
    model = open_model(network)
    write_networks(model, tmp_path)
    (cohort,) = read_cohorts(model, folder / "new.csv", with_outcome=False)
    found = predict(model, cohort)
    x = standardise(found.inputs.clinical, moments_in(model.shared)).astype(np.float32)
    for row, seed in enumerate((0, 1)):
        read = keras.saving.load_model(tmp_path / f"seed-{seed}.keras")
        session = onnxruntime.InferenceSession(tmp_path / f"seed-{seed}.onnx")
        (name,) = [i.name for i in session.get_inputs()]
        by_keras = read.predict(x, verbose=0).ravel()
        by_onnx = session.run(None, {name: x})[0].ravel()
        assert np.allclose(expit(by_keras), found.by_seed[row], atol=1e-6)
        assert np.allclose(expit(by_onnx), found.by_seed[row], atol=1e-5)
