"""Every public data set in miniature: folders and columns as they are published, images of dots."""

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from flame.core.errors import BadInput
from flame.core.imaging import STRUCTURAL, Sequence
from flame.core.treatment import Phase, Radiation
from flame.io.datasets.layout import DATASETS, PublicData


def touch(root: Path, *names: str) -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        nib.save(nib.Nifti1Image(np.ones((2, 2, 2), np.uint8), np.eye(4)), path)


def cfb_gbm(root: Path) -> None:
    for t in ("t0", "t1"):
        kinds = ("t1", "t1gd", "t2", "flair", "gtv", "brain_mask", "rtdose")
        touch(root, *(f"p7/{t}/p7_{t}_{kind}.nii.gz" for kind in kinds))
    (root / "CFB-GBM_clinical_data_v1.tsv").write_text("id_patient\tage\tsex\np7\t61\tF\n")
    header = "id_patient\tdose (Gy)\tfractions_number\n"
    (root / "CFB-GBM_treatment_data_v1.tsv").write_text(f"{header}p7\t60\t30\n")


def lumiere(root: Path) -> None:
    for week in ("week-000-1", "week-000-2", "week-044"):
        names = (f"Imaging/Patient-001/{week}/{n}.nii.gz" for n in ("CT1", "T1", "T2", "FLAIR"))
        touch(root, *names)
    (root / "LUMIERE-ExpertRating-v202211.csv").write_text("Patient,Date\nPatient-001,week-000\n")
    text = "Patient,Survival time (weeks),Sex\nPatient-001,89,female\n"
    (root / "LUMIERE-Demographics_Pathology.csv").write_text(text)


def sailor(root: Path) -> None:
    masks = ("ContrastEnhancedMask-CL", "EdemaMask-CL")
    for session in ("ses-01", "ses-02", "ses-03"):
        names = ("T1", "T1c", "Flair", "T2", *masks)
        touch(root, *(f"sub-01/{session}/{name}.nii.gz" for name in names))
    touch(root, "sub-01/DoseMap.nii.gz")
    (root / "sub-01" / "intervals-days.txt").write_text("14\n30\n")


def mu_glioma_post(root: Path) -> None:
    stem = "PatientID_0003/Timepoint_2/PatientID_0003_Timepoint_2"
    kinds = ("brain_t1n", "brain_t1c", "brain_t2w", "brain_t2f", "tumorMask")
    touch(root, *(f"{stem}_{kind}.nii.gz" for kind in kinds))


def ucsf_alptdg(root: Path) -> None:
    for time in ("time1", "time2"):
        kinds = ("t1", "t1ce", "t2", "flair", "seg")
        touch(root, *(f"100001/100001_{time}_{kind}.nii.gz" for kind in kinds))


def upenn_gbm(root: Path) -> None:
    name = "UPENN-GBM-00001_11"
    kinds = ("T1", "T1GD", "T2", "FLAIR")
    touch(root, *(f"images_structural/{name}/{name}_{kind}.nii.gz" for kind in kinds))
    touch(root, f"images_segm/{name}_segm.nii.gz")
    text = f"ID,Gender,Age_at_scan_years,Survival_from_surgery_days_UPDATED\n{name},M,63.5,341\n"
    (root / "UPENN-GBM_clinical_info_v2.1.csv").write_text(text)


def brats(root: Path) -> None:
    for name in ("BraTS-GLI-00000-000", "BraTS-GLI-00002-000"):
        kinds = ("t1n", "t1c", "t2w", "t2f", "seg")
        touch(root, *(f"{name}/{name}-{kind}.nii.gz" for kind in kinds))
    rows = "Partition_ID,Subject_ID\n1,BraTS-GLI-00000-000\n2,BraTS-GLI-00002-000\n"
    (root / "partitioning_1.csv").write_text(rows)
    text = "ID,Age,Survival_days\nBraTS-GLI-00000-000,60,289\nBraTS-GLI-00002-000,50,"
    (root / "survival_info.csv").write_text(f"{text}ALIVE (361 days later)\n")


def rhuh_gbm(root: Path) -> None:
    for visit in "012":
        kinds = ("adc", "flair", "t1", "t1ce", "t2", "segmentations")
        touch(root, *(f"RHUH-0001/{visit}/RHUH-0001_{visit}_{kind}.nii.gz" for kind in kinds))
    header = "Patient ID,Age,Sex,Overall survival [OS] (days),Right Censored\n"
    (root / "clinical_data_TCIA_RHUH-GBM.csv").write_text(f"{header}RHUH-0001,61,M,412,no\n")


MAKERS = {
    "cfb-gbm": cfb_gbm,
    "lumiere": lumiere,
    "sailor": sailor,
    "mu-glioma-post": mu_glioma_post,
    "ucsf-alptdg": ucsf_alptdg,
    "upenn-gbm": upenn_gbm,
    "brats": brats,
    "rhuh-gbm": rhuh_gbm,
}


def made(name: str, root: Path) -> PublicData:
    MAKERS[name](root)
    return DATASETS[name].read(root)


def test_every_data_set_has_a_miniature() -> None:
    own_tests = {"nifti", "brain-tumor-progression"}  # a table of files, and T1C alone
    assert {*MAKERS} | own_tests == set(DATASETS)


@pytest.mark.parametrize("name", list(MAKERS))
def test_everything_published_is_found(name: str, tmp_path: Path) -> None:
    data = made(name, tmp_path)
    for visit in data.visits:
        assert set(visit.scans) - {Sequence.ADC} == set(STRUCTURAL)
        assert all(path.exists() for path in visit.scans.values())
        assert (visit.tumour is None) == (name == "lumiere")
    assert not [m for m in data.missing if m.startswith("no table") or "no T" in m]
    assert DATASETS[name].source
    assert DATASETS[name].licence


@pytest.mark.parametrize("name", list(MAKERS))
def test_what_is_missing_is_said(name: str, tmp_path: Path) -> None:
    MAKERS[name](tmp_path)
    flair = sorted(
        p for p in tmp_path.rglob("*.nii.gz") if "flair" in p.name.lower() or "t2f" in p.name
    )
    flair[0].unlink()
    data = DATASETS[name].read(tmp_path)
    assert f"1 of {len(data.visits)} days: no FLAIR" in data.missing


@pytest.mark.parametrize("name", list(MAKERS))
def test_another_folder_is_refused_with_an_example(name: str, tmp_path: Path) -> None:
    (tmp_path / "something").mkdir()
    with pytest.raises(BadInput, match="holds nothing like .*: give the folder of the download"):
        DATASETS[name].read(tmp_path)
    with pytest.raises(BadInput, match="no folder"):
        DATASETS[name].read(tmp_path / "nowhere")


def test_courses_and_doses_of_cfb_gbm(tmp_path: Path) -> None:
    data = made("cfb-gbm", tmp_path)
    assert data.treatments["p7"].phases == (Phase(Radiation.PHOTON, 60.0, 30),)
    assert data.clinical["p7"] == {"age": 61.0, "sex": 1.0}
    assert [v.dose and v.dose.name for v in data.visits] == [
        "p7_t0_rtdose.nii.gz",
        "p7_t1_rtdose.nii.gz",
    ]
    assert all(v.note == "the day is nominal" for v in data.visits)


def test_survival_of_rhuh(tmp_path: Path) -> None:
    clinical = made("rhuh-gbm", tmp_path).clinical["RHUH-0001"]
    assert {k: clinical[k] for k in ("age", "survival_days", "died")} == {
        "age": 61.0,
        "survival_days": 412.0,
        "died": 1.0,
    }


def test_days_of_lumiere_and_sailor(tmp_path: Path) -> None:
    found = made("lumiere", tmp_path / "lumiere")
    assert [v.day for v in found.visits] == [0, 1, 308]
    assert found.clinical["Patient-001"]["survival_days"] == 7 * 89
    assert "days count from the first image, not from radiotherapy" in found.missing
    sailor = made("sailor", tmp_path / "sailor")
    assert [v.day for v in sailor.visits] == [0, 14, 44]
    assert sailor.visits[2].dose == tmp_path / "sailor" / "sub-01" / "DoseMap.nii.gz"


def test_intervals_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    sailor(tmp_path)
    (tmp_path / "sub-01" / "intervals-days.txt").write_text("14\n")
    with pytest.raises(BadInput, match=r"intervals-days.txt has 1 intervals for 3 sessions"):
        DATASETS["sailor"].read(tmp_path)


def test_conventions_of_labels(tmp_path: Path) -> None:
    labels = {name: made(name, tmp_path / name).labels for name in MAKERS}
    assert {n for n, convention in labels.items() if convention == "brats-2023"} == {
        "mu-glioma-post",
        "ucsf-alptdg",
        "brats",
        "rhuh-gbm",
    }


def test_survival_of_upenn_and_brats_and_centres_of_fets(tmp_path: Path) -> None:
    upenn = made("upenn-gbm", tmp_path / "upenn")
    assert upenn.clinical["UPENN-GBM-00001_11"] == {
        "Gender": 0.0,
        "age": 63.5,
        "survival_days": 341.0,
    }
    fets = made("brats", tmp_path / "brats")
    assert fets.clinical == {
        "BraTS-GLI-00000": {"age": 60.0, "survival_days": 289.0, "died": 1.0},
        "BraTS-GLI-00002": {"age": 50.0, "survival_days": 361.0, "died": 0.0},
    }
    assert fets.centres == {"BraTS-GLI-00000": "centre-1", "BraTS-GLI-00002": "centre-2"}


def test_visits_of_brats_are_one_patient(tmp_path: Path) -> None:
    for name in ("BraTS-GLI-00013-000", "BraTS-GLI-00013-001"):
        touch(tmp_path, *(f"{name}/{name}-{kind}.nii.gz" for kind in ("t1n", "t1c", "t2w", "t2f")))
    first, second = DATASETS["brats"].read(tmp_path).visits
    assert (first.patient, first.day) == ("BraTS-GLI-00013", -1)
    assert (second.patient, second.day, second.note) == (
        "BraTS-GLI-00013",
        90,
        "the day is nominal",
    )


def test_status_of_upenn(tmp_path: Path) -> None:
    upenn_gbm(tmp_path)
    name = "UPENN-GBM-00001_11"
    header = "ID,Survival_from_surgery_days_UPDATED,Survival_Status,Note"
    text = f"{header}\n{name},Not Available,Lost to Follow-up,as told\n"
    (tmp_path / "UPENN-GBM_clinical_info_v2.1.csv").write_text(text)
    data = DATASETS["upenn-gbm"].read(tmp_path)
    assert data.clinical[name]["died"] == 0
    assert np.isnan(data.clinical[name]["survival_days"])
    assert "UPENN-GBM_clinical_info_v2.1.csv: columns of text are left out: Note" in data.missing


def test_older_names_of_brats(tmp_path: Path) -> None:
    name = "Brats18_CBICA_AAB_1"
    kinds = ("t1", "t1ce", "t2", "flair", "seg")
    touch(tmp_path, *(f"HGG/{name}/{name}_{kind}.nii.gz" for kind in kinds))
    data = DATASETS["brats"].read(tmp_path)
    assert (data.labels, data.visits[0].patient) == ("brats", name)
    assert "no table partitioning_1.csv: all patients are one centre" in data.missing


def test_a_week_of_another_name(tmp_path: Path) -> None:
    touch(tmp_path, "Imaging/Patient-001/week-x/CT1.nii.gz")
    with pytest.raises(BadInput, match="days are named like week-000-1"):
        DATASETS["lumiere"].read(tmp_path)


def test_two_files_for_one_scan_are_refused(tmp_path: Path) -> None:
    mu_glioma_post(tmp_path)
    touch(tmp_path, "PatientID_0003/Timepoint_2/copy_t1c.nii.gz")
    with pytest.raises(BadInput, match="all fit .*_t1c.nii.gz; keep one of them"):
        DATASETS["mu-glioma-post"].read(tmp_path)
