"""A hospital whose files name the patient everywhere they can; nothing of it may come out."""

import gzip
import shutil
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path

import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence as Items

from flame.pipelines.preprocess import PreprocessResult, run
from tests.helpers.preprocess_config import preprocess_config

NAME = "Zaphodbeeblebrox"
TEXT_VRS = {"PN", "LO", "SH", "LT", "ST", "UT", "AE"}
KEPT = {"PatientID", "ImageComments", "SeriesDescription", "Modality", "Manufacturer", "ROIName"}


def seed(dataset: Dataset, top: bool = True) -> None:
    """Put the name into every text attribute, nested or not, and into new ones."""
    for element in list(dataset):
        if element.VR == "SQ":
            for item in element.value:
                seed(item, top=False)
        elif element.VR in TEXT_VRS and element.keyword not in KEPT:
            dataset[element.tag].value = NAME
    if not top:
        return
    dataset.PatientName, dataset.PatientAddress = f"{NAME}^Jane", f"1 {NAME} Street"
    dataset.InstitutionName = dataset.ReferringPhysicianName = dataset.StationName = NAME
    dataset.AccessionNumber, dataset.PatientBirthDate = NAME[:16], "19570304"
    if dataset.get("Modality") == "MR":
        dataset.SeriesDescription = f"{dataset.get('SeriesDescription', '')} {NAME}"
    dataset.PatientComments = f"{NAME} was here"
    request = Dataset()
    request.RequestingPhysician, request.RequestedProcedureDescription = NAME, f"MR of {NAME}"
    dataset.RequestAttributesSequence = Items([request])
    dataset.private_block(0x0099, "FLAME TEST", create=True).add_new(1, "LO", f"{NAME} private")
    for region in dataset.get("StructureSetROISequence") or []:
        region.ROIName = f"GTV {NAME}"


@pytest.fixture(scope="module")
def seeded(
    hospital: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, PreprocessResult, str, list[str]]:
    """Output folder, result, everything printed, and the secrets."""
    root = tmp_path_factory.mktemp("leak") / f"{NAME}_ward"
    shutil.copytree(hospital / "centre-1", root / "centre-1")
    secrets = {NAME, NAME.lower(), "19570304", "1957-03-04", str(root), f"{NAME}_ward"}
    for n, path in enumerate(sorted((root / "centre-1" / "dicom").rglob("*.dcm"))):
        dataset = pydicom.dcmread(path)
        secrets |= {
            str(dataset.PatientID),
            str(dataset.SeriesInstanceUID),
            dataset.StudyDate,
            str(dataset.StudyInstanceUID),
            str(dataset.SOPInstanceUID),
            str(dataset.get("FrameOfReferenceUID", NAME)),
        }
        seed(dataset)
        dataset.save_as(path)
        path.rename(path.with_name(f"{NAME}_{n}.dcm"))
    days = {s for s in secrets if s.isdigit() and len(s) == 8}
    secrets |= {f"{d[:4]}-{d[4:6]}-{d[6:]}" for d in days}
    # One slice of the second day cannot be decoded, so that errors speak too.
    broken = sorted((root / "centre-1" / "dicom").rglob("S002/*.dcm"))[-1]
    broken.write_bytes(broken.read_bytes()[:-50])
    printed = StringIO()
    with redirect_stdout(printed), redirect_stderr(printed):
        result = run(preprocess_config(root, root.parent / "bids"))
    return root.parent / "bids", result, printed.getvalue(), sorted(secrets)


def test_one_day_is_done_and_one_failed(seeded: tuple) -> None:
    _, result, _, _ = seeded
    assert sorted(r.status for r in result.studies) == ["done", "failed"]


def test_no_secret_in_any_file_or_name(seeded: tuple) -> None:
    out, _, _, secrets = seeded
    files = [p for p in out.rglob("*") if p.is_file()]
    assert len(files) > 20
    for path in files:
        raw = path.read_bytes()
        content = gzip.decompress(raw) if path.suffix == ".gz" else raw
        for secret in secrets:
            assert secret.encode() not in content, (path.name, secret)
            assert secret not in str(path.relative_to(out))


def test_no_secret_in_what_was_printed_or_told(seeded: tuple) -> None:
    _, result, printed, secrets = seeded
    notes = " ".join(r.note + r.subject + r.sequences for r in result.studies)
    for secret in secrets:
        assert secret not in printed
        assert secret not in notes
