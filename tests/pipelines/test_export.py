"""Export, prediction and validation as commands of a user, one after the other."""

from pathlib import Path

import pandas as pd
import pytest

from flame.bundles.bundle import About
from flame.bundles.model import open_model
from flame.core.errors import BadInput
from flame.core.files import check_free
from flame.pipelines import export, train, validate
from flame.pipelines.predict import predict_outcomes
from tests.bundles.conftest import settings, simulated_table


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    simulated_table(folder / "training.csv", ("A", "B", "C"), 60, 1)
    train.run(settings(folder / "training.csv"), folder / "run")
    return folder / "run"


def test_a_model_leaves_its_run_and_is_tested_elsewhere(run: Path, tmp_path: Path) -> None:
    files = export.run(run, tmp_path / "model", About(name="early", licence="CC-BY-4.0"))
    assert {"LICENSE", "coefficients.csv", "metadata.json"} <= {f.name for f in files}
    table = simulated_table(tmp_path / "new.csv", ("D",), 80, 3)
    predicted = predict_outcomes(open_model(tmp_path / "model"), table, tmp_path / "predicted")
    assert len(predicted.table) == 80
    assert predicted.warnings[-1] == "the model was trained on simulated patients"
    assert (tmp_path / "predicted/predictions.csv").stat().st_mode & 0o077 == 0
    result = validate.run(tmp_path / "model", table, tmp_path / "tested", compare=[run])
    assert "AUC of response" in result.verdict
    written = {
        p.relative_to(tmp_path / "tested").as_posix() for p in (tmp_path / "tested").rglob("*.*")
    }
    assert {"metrics.csv", "metrics.tex", "figures/roc.svg", "figures/roc.pdf"} <= written
    gaps = pd.read_csv(tmp_path / "tested/differences.csv").set_index("less")
    assert gaps.loc["run", "value"].tolist() == [0.0, 0.0]  # the bundle and its run are one model


def test_a_run_is_not_validated_on_its_own_table(run: Path, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="was in training"):
        validate.run(run, run.parent / "training.csv", tmp_path / "out")


def test_a_bundle_is_not_exported_again(run: Path, tmp_path: Path) -> None:
    export.run(run, tmp_path / "model")
    with pytest.raises(BadInput, match="is a bundle already"):
        export.run(tmp_path / "model", tmp_path / "again")


def test_results_replace_no_other_files(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("x")
    with pytest.raises(BadInput, match="not empty"):
        check_free(tmp_path, "predictions.csv")
    with pytest.raises(BadInput, match="is a file"):
        check_free(tmp_path / "notes.txt", "predictions.csv")
