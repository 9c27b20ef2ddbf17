"""Forecasts of a simulated patient: files, page, SEG on the source series, and bad input."""

import shutil
from dataclasses import replace
from pathlib import Path

import highdicom
import nibabel as nib
import numpy as np
import pandas as pd
import pydicom
import pytest

from flame.core.errors import BadInput
from flame.core.imaging import LabelMap
from flame.core.treatment import Radiation
from flame.federation.checkpoint import Checkpoint, checkpoint_path, save_checkpoint
from flame.federation.config import TrainConfig
from flame.federation.run_files import config_text
from flame.federation.sections import DataConfig
from flame.federation.strategies.strategy import State
from flame.federation.tasks.evolution import GRID
from flame.io.dicom.segmentations import read_segments
from flame.models.evolution.config import EvolutionConfig
from flame.models.evolution.mechanistic import parameter_grid
from flame.models.evolution.mixture import GROUPS
from flame.models.evolution.out_of_distribution import FEATURES
from flame.models.response.inputs import ResponseModelConfig
from flame.models.response.network import ResponseModel
from flame.pipelines.forecast import ForecastConfig, run

SETS = len(parameter_grid())
CONFIG = TrainConfig(
    DataConfig(bids="bids", centres=("centre-1",)),
    task="evolution",
    evolution=EvolutionConfig("mechanistic"),
)


@pytest.fixture
def trained(tmp_path: Path) -> Path:
    """A run whose mixture is one slow and sensitive set, as training might have left it."""
    weights = np.full((GROUPS, SETS), 1e-200)
    weights[:, 12] = 1
    shared = {
        "mixture": weights / weights.sum(axis=1, keepdims=True),
        "efficacy": np.ones(2),
        "grid": GRID,
        "calibration": np.array([1.0, 1.0, 1.0]),
        "longest": np.array(100),
        "radiations": np.array([5.0, 5.0, 0.0]),
        "count": np.full(len(FEATURES), 10.0),
        "mean": np.zeros(len(FEATURES)),
        "sum_sq_dev": np.full(len(FEATURES), 9e6),
    }
    folder = tmp_path / "run"
    name = "federated.seed-0.all"
    save_checkpoint(checkpoint_path(folder, name), Checkpoint(0, State([]), shared, [], True))
    (folder / "run.toml").write_text(config_text(CONFIG))
    (folder / "data.json").write_text('{"centre-1": {"sub-another/ses-01": ""}}')
    (folder / "warnings.txt").write_text("radiation and centre are confounded (told)")
    return folder


def config(trained: Path, bids: Path, **changes: object) -> ForecastConfig:
    (subject,) = bids.glob("sub-*")
    return replace(
        ForecastConfig(str(trained), str(subject), str(trained.parent / "out")),
        **changes,  # type: ignore[arg-type]
    )


def test_maps_curves_and_page(trained: Path, derivatives: Path) -> None:
    result = run(config(trained, derivatives, days=(30, 90)))
    out = trained.parent / "out"
    assert set(result.volumes.radiation) == set(map(str, Radiation))
    assert (result.volumes.low_ml <= result.volumes.median_ml).all()
    (table,) = out.glob("*_volumes.tsv")
    assert len(pd.read_csv(table, sep="\t")) == 6
    drawn = nib.load(next(derivatives.glob("sub-*/ses-01/anat/*label-GTV_mask.nii.gz")))
    soon = nib.load(next(out.glob("*radiation-photon_day-030_mask.nii.gz")))
    assert nib.aff2axcodes(soon.affine) == ("R", "A", "S")
    # The forecast lies where the tumour was drawn: centres in mm, in the template's space.
    centres = [
        nib.affines.apply_affine(i.affine, np.argwhere(np.asarray(i.dataobj) > 0)).mean(axis=0)
        for i in (drawn, soon)
    ]
    assert np.linalg.norm(centres[0] - centres[1]) < 4
    p = nib.load(next(out.glob("*radiation-carbon_day-090_probability.nii.gz"))).get_fdata()
    assert 0 <= p.min() <= p.max() <= 1
    html = result.html.read_text()
    assert "not a medical device" in html
    assert "Simulated patient" in html
    assert "//cdn" not in html
    assert 'src="http' not in html
    assert html.count("<canvas") == 5  # three forecasts, and two differences from photons
    # The mixture of the fixture is one set of parameters: its values are the medians.
    assert "proton: proton 60 Gy (RBE) in 30 fractions" in html
    for value in parameter_grid()[12]:
        assert f"<td>{value:.3g}</td>" in html


def test_warnings_reach_the_user(trained: Path, derivatives: Path) -> None:
    found = run(config(trained, derivatives, days=(30,))).warnings
    assert any("confounded" in w for w in found)
    assert any("no training patient received carbon" in w for w in found)
    assert not any("differs from them" in w or "in training" in w for w in found)
    (subject,) = derivatives.glob("sub-*")
    (trained / "data.json").write_text(f'{{"centre-1": {{"{subject.name}/ses-01": ""}}}}')
    found = run(config(trained, derivatives, days=(30,))).warnings
    assert any("this patient was in training" in w for w in found)
    late = replace(CONFIG, evolution=EvolutionConfig("mechanistic", latest_day=1))
    (trained / "run.toml").write_text(config_text(late))  # followed too late to be learned from
    found = run(config(trained, derivatives, days=(30,))).warnings
    assert not any("in training" in w for w in found)
    path = checkpoint_path(trained, "federated.seed-0.all")
    with np.load(path) as file:
        arrays = {k: file[k] for k in file.files}
    arrays["shared.sum_sq_dev"] = np.full(len(FEATURES), 1e-6)
    np.savez(path, **arrays)
    found = run(config(trained, derivatives, days=(30,))).warnings
    assert any("BED is 75.00" in w and "differs from them" in w for w in found)


def test_seg_refers_to_the_series_and_lies_on_its_tumour(
    trained: Path, hospital: Path, derivatives: Path
) -> None:
    dicom = hospital / "centre-1" / "dicom"
    asked = {"days": (5,), "dicom": str(dicom), "radiations": ("photon",)}
    result = run(config(trained, derivatives, **asked))
    (path,) = result.segmentations
    seg = highdicom.seg.segread(path)
    assert list(seg.segment_numbers) == [1]
    referenced = str(seg.ReferencedSeriesSequence[0].SeriesInstanceUID)
    series = [d for d in map(_header, dicom.rglob("*.dcm")) if d.Modality == "MR"]
    (source,) = {d.SeriesDescription for d in series if d.SeriesInstanceUID == referenced}
    assert source == "t1_mprage_tra +C"  # the truth lies in the world of the first T1C
    frame = str(seg.FrameOfReferenceUID)
    truth = nib.load(hospital / "truth/centre-1/SIM-1-001/day-010_dseg.nii.gz")
    tumour = np.isin(np.asarray(truth.dataobj), (1, 3)).astype(np.uint8)
    drawn = LabelMap(tumour, truth.affine)
    (mask,) = read_segments(path, frame).values()
    # After 15 days a slow tumour is where it was drawn; its voxels are 3 mm.
    world = [nib.affines.apply_affine(m.affine, np.argwhere(m.voxels)) for m in (drawn, mask)]
    assert np.linalg.norm(world[0].mean(axis=0) - world[1].mean(axis=0)) < 3
    assert mask.volume == pytest.approx(drawn.volume, rel=0.3)


def _header(path: Path) -> pydicom.Dataset:
    return pydicom.dcmread(path, stop_before_pixels=True)


def test_response_and_where_the_image_matters(
    trained: Path, derivatives: Path, tmp_path: Path
) -> None:
    model = ResponseModelConfig(sequences=("T1C",), voxel_mm=12.0, filters=4)
    data = DataConfig(bids="bids", centres=("centre-1",))
    shared = {n: np.zeros(0) for n in ("count", "mean", "sum_sq_dev")}
    weights = ResponseModel(model, "adam", 0.01).build((16, 16, 16, 1), 0)
    path = checkpoint_path(tmp_path / "response", "federated.seed-0.all")
    save_checkpoint(path, Checkpoint(20, State(weights), shared, [], True))
    (tmp_path / "response" / "run.toml").write_text(config_text(TrainConfig(data, model)))
    settings = config(trained, derivatives, days=(30,), response=str(tmp_path / "response"))
    result = run(settings)
    assert result.response is not None
    assert 0 < result.response < 1
    (relevance,) = (trained.parent / "out").glob("*_response-relevance.nii.gz")
    image = nib.load(relevance)
    assert np.allclose(np.linalg.norm(image.affine[:3, :3], axis=0), 12)
    assert 0 < np.abs(image.get_fdata()).max() <= 1


def test_a_course_of_the_hospitals_own_protocol(trained: Path, derivatives: Path) -> None:
    asked = {"radiations": ("carbon",), "courses": ("carbon=57.6/16",)}
    html = run(config(trained, derivatives, days=(30,), **asked)).html.read_text()
    assert "carbon: carbon 57.6 Gy (RBE) in 16 fractions" in html
    assert "not the dose of a treatment plan" in html


def test_a_plan_of_another_radiation_brings_its_own_dose(
    trained: Path, derivatives: Path, tmp_path: Path
) -> None:
    """The other plan gives half the dose, with carbon ions: 30 Gy(RBE), which are 10 Gy."""
    other = tmp_path / "replanned"
    shutil.copytree(derivatives, other)
    for path in other.glob("sub-*/ses-*/anat/*dose.nii.gz"):
        image = nib.load(path)
        physical = image.get_fdata(dtype=np.float32) / 6  # of 60 Gy
        nib.Nifti1Image(physical, image.affine).to_filename(path)
    table = pd.read_csv(other / "treatments.tsv", sep="\t")
    table = table.assign(radiation="carbon", dose=30.0, fractions=10, biological=1)
    table.to_csv(other / "treatments.tsv", sep="\t", index=False, na_rep="n/a")
    (subject,) = other.glob("sub-*")
    asked = config(trained, derivatives, days=(90,), plans=(f"carbon={subject}",))
    result = run(asked)
    html = result.html.read_text()
    assert "The dose of a plan of its own: carbon." in html
    assert "not the dose of a treatment plan" not in html
    ml = result.volumes.set_index("radiation").median_ml
    assert len(ml) == 2
    assert ml["carbon"] > ml.drop("carbon").iloc[0]  # half the dose leaves more
    with pytest.raises(BadInput, match="the plan given for proton is one with carbon"):
        run(config(trained, derivatives, days=(90,), plans=(f"proton={subject}",)))


class TestBadInput:
    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"radiations": ("neutron",)}, "unknown radiation 'neutron': .*Choices: carbon"),
            (
                {"days": (91,)},
                "day 91 cannot be forecast: .* followed for 100 days; choose days from 1 to 90",
            ),
            ({"days": (0,)}, "day 0 cannot be forecast"),
            ({"subject": "nowhere/sub-1"}, "is not a folder of a subject"),
            ({"model": "nowhere"}, "nowhere is not a run folder"),
            ({"courses": ("carbon=57.6",)}, "write RADIATION=GY/FRACTIONS"),
            ({"courses": ("carbon=5760/16",)}, "not in cGy"),
            ({"dicom": "."}, "lies inside the DICOM folder"),
        ],
    )
    def test_said_before_anything_is_written(
        self, trained: Path, derivatives: Path, changes: dict, message: str
    ) -> None:
        if "dicom" in changes:
            changes = {"dicom": str(trained.parent)}
        with pytest.raises(BadInput, match=message):
            run(config(trained, derivatives, **changes))
        assert not (trained.parent / "out").exists()

    @pytest.mark.parametrize(
        ("file", "message"),
        [
            ("label-GTV_mask.nii.gz", "no tumour mask"),
            ("dose.nii.gz", "has no dose: add the RT Dose"),
        ],
    )
    def test_a_patient_without(self, trained: Path, copied: Path, file: str, message: str) -> None:
        for path in (copied / "bids").glob(f"sub-*/ses-*/anat/*{file}"):
            path.unlink()
        with pytest.raises(BadInput, match=message):
            run(config(trained, copied / "bids", days=(30,)))

    def test_a_patient_without_a_plan(self, trained: Path, copied: Path) -> None:
        table = copied / "bids" / "treatments.tsv"
        table.write_text(table.read_text().splitlines()[0] + "\n")
        result = run(config(trained, copied / "bids", days=(30,)))
        assert set(result.volumes.radiation) == {"as-treated"}
        assert any("knows of no treatment" in w for w in result.warnings)
        asked = config(trained, copied / "bids", days=(30,), radiations=("carbon",))
        with pytest.raises(BadInput, match="before radiotherapy only, with its plan and dose"):
            run(asked)

    def test_a_model_of_an_earlier_grid(self, trained: Path, derivatives: Path) -> None:
        path = checkpoint_path(trained, "federated.seed-0.all")
        with np.load(path) as file:
            arrays = {k: file[k] for k in file.files}
        arrays["shared.grid"] = arrays["shared.grid"] * 2
        np.savez(path, **arrays)
        with pytest.raises(BadInput, match="by an earlier version of FLAME"):
            run(config(trained, derivatives, days=(30,)))

    def test_dose_grid_beside_the_tumour(self, trained: Path, copied: Path) -> None:
        for path in (copied / "bids").glob("sub-*/ses-*/anat/*dose.nii.gz"):
            image = nib.load(path)
            moved = image.affine.copy()
            moved[:3, 3] += 500
            nib.Nifti1Image(image.get_fdata(dtype=np.float32), moved).to_filename(path)
        with pytest.raises(BadInput, match="dose grid that covers 0% of the tumour"):
            run(config(trained, copied / "bids", days=(30,)))

    def test_a_folder_of_somebody_else_is_left_alone(
        self, trained: Path, derivatives: Path
    ) -> None:
        out = trained.parent / "out"
        out.mkdir()
        (out / "mine.txt").write_text("keep")
        with pytest.raises(BadInput, match="holds no prediction"):
            run(config(trained, derivatives))
        assert (out / "mine.txt").read_text() == "keep"

    def test_dicom_without_the_key_or_the_series(
        self, trained: Path, copied: Path, tmp_path: Path
    ) -> None:
        settings = config(trained, copied / "bids", days=(30,), dicom=str(tmp_path / "other"))
        shutil.copytree(copied / "centre-1" / "dicom", tmp_path / "other")
        with pytest.raises(BadInput, match="no pseudonym key"):
            run(settings)
        (tmp_path / "other.key").write_bytes(b"another hospital's key")
        with pytest.raises(BadInput, match="holds no series that sub-.* was made from"):
            run(settings)

    def test_a_run_on_response(self, trained: Path, derivatives: Path) -> None:
        response = replace(CONFIG, task="response")
        (trained / "run.toml").write_text(config_text(response))
        with pytest.raises(BadInput, match="is a run on response; give one on evolution"):
            run(config(trained, derivatives))


def test_no_name_of_the_patient_in_what_may_be_shared(
    trained: Path, hospital: Path, derivatives: Path
) -> None:
    run(config(trained, derivatives, days=(30,)))
    truth = pd.read_csv(hospital / "truth" / "centre-1" / "truth.tsv", sep="\t")
    patient_id = str(truth.iloc[0, 0])
    for path in (trained.parent / "out").rglob("*"):
        assert patient_id not in path.name
        if path.suffix in (".html", ".tsv"):
            assert patient_id not in path.read_text()
