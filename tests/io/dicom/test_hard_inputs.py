"""Files that trip readers: each with the verdict that is right, taken or refused.

The writer's values: noise from 0 to 89, row by row, plus 100 a slice in space order.
"""

import gzip
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.sequence import Sequence as Items
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    EnhancedMRImageStorage,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
    RLELossless,
)

from flame.core.errors import UnreadableImage
from flame.core.imaging import Scan, Sequence
from flame.io.dicom.intake import ImportReport, inspect_folder
from flame.io.dicom.pixels import read_scan
from tests.helpers.dicom_series import write_mr_series


def stored(slices: int = 12) -> np.ndarray:
    rng = np.random.default_rng(0)
    return np.stack([rng.integers(0, 90, (8, 6)).T + 100 * z for z in range(slices)], axis=-1)


def only(report: ImportReport) -> Scan:
    (study,) = report.studies().values()
    ((sequence, series),) = study.items()
    assert series.geometry is not None
    return read_scan(series.geometry, sequence)


def rewrite(paths: list[Path], change: Callable[[Dataset], None]) -> None:
    for path in paths:
        dataset = pydicom.dcmread(path)
        change(dataset)
        dataset.save_as(path)


@pytest.mark.parametrize("syntax", [RLELossless, JPEG2000Lossless, JPEGLSLossless])
def test_compressed_pixels_are_the_same(tmp_path: Path, syntax: str) -> None:
    def change(dataset: Dataset) -> None:  # eight times larger: the encoders want some pixels
        values = np.frombuffer(dataset.PixelData, np.uint16).reshape(8, 6)
        dataset.Rows, dataset.Columns = 64, 48
        dataset.PixelData = np.kron(values, np.ones((8, 8), np.uint16)).tobytes()
        dataset.compress(syntax)

    rewrite(write_mr_series(tmp_path), change)
    assert np.array_equal(only(inspect_folder(tmp_path)).voxels[::8, ::8], stored())


@pytest.mark.parametrize(
    "syntax", [ImplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian]
)
def test_uncompressed_syntaxes_are_the_same(tmp_path: Path, syntax: str) -> None:
    for path in write_mr_series(tmp_path):
        dataset = pydicom.dcmread(path)
        dataset.file_meta.TransferSyntaxUID = syntax
        if syntax == ExplicitVRBigEndian:
            values = np.frombuffer(dataset.PixelData, "<u2")
            dataset["PixelData"].VR = "OW"
            dataset.PixelData = values.astype(">u2").tobytes()
        little, implicit = syntax != ExplicitVRBigEndian, syntax == ImplicitVRLittleEndian
        _save(dataset, path, little, implicit)
    assert np.array_equal(only(inspect_folder(tmp_path)).voxels, stored())


def _save(dataset: Dataset, path: Path, little: bool, implicit: bool) -> None:
    fresh = FileDataset(
        str(path),
        dict(dataset),
        file_meta=dataset.file_meta,
        preamble=b"\0" * 128,
        is_implicit_VR=implicit,
        is_little_endian=little,
    )
    fresh.save_as(path, enforce_file_format=True)


def test_files_without_preamble_and_meta_are_read(tmp_path: Path) -> None:
    for path in write_mr_series(tmp_path):
        dataset = pydicom.dcmread(path)
        bare = Dataset()
        bare.update(dataset)
        pydicom.dcmwrite(path, bare, implicit_vr=True, little_endian=True)
    assert np.array_equal(only(inspect_folder(tmp_path)).voxels, stored())


def test_signed_pixels_keep_their_sign(tmp_path: Path) -> None:
    def change(dataset: Dataset) -> None:
        dataset.PixelRepresentation = 1
        values = np.frombuffer(dataset.PixelData, np.uint16).astype(int) - 500
        dataset.PixelData = values.astype(np.int16).tobytes()

    rewrite(write_mr_series(tmp_path), change)
    assert np.array_equal(only(inspect_folder(tmp_path)).voxels, stored() - 500)


@pytest.mark.parametrize("signed", [0, 1])
def test_bits_above_bits_stored_are_no_part_of_the_value(tmp_path: Path, signed: int) -> None:
    def change(dataset: Dataset) -> None:
        dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 12, 11, signed
        values = np.frombuffer(dataset.PixelData, np.uint16) - 500 * signed
        dataset.PixelData = ((values & 0x0FFF) | 0x7000).astype(np.uint16).tobytes()

    rewrite(write_mr_series(tmp_path), change)
    assert np.array_equal(only(inspect_folder(tmp_path)).voxels, stored() - 500 * signed)


def test_padding_becomes_the_darkest_value_not_a_signal(tmp_path: Path) -> None:
    def change(dataset: Dataset) -> None:
        dataset.add_new("PixelPaddingValue", "US", 60000)
        values = np.frombuffer(dataset.PixelData, np.uint16).copy()
        values[:6] = 60000
        dataset.PixelData = values.tobytes()

    rewrite(write_mr_series(tmp_path), change)
    voxels = only(inspect_folder(tmp_path)).voxels
    assert voxels.max() < 2000
    assert (voxels[:, 0] == voxels.min()).all()


def test_slope_of_each_slice_is_its_own(tmp_path: Path) -> None:
    paths = write_mr_series(tmp_path)
    for n, path in enumerate(paths, 1):
        rewrite([path], lambda d, n=n: setattr(d, "RescaleSlope", n))
    assert np.array_equal(only(inspect_folder(tmp_path)).voxels, stored() * np.arange(1, 13))


def test_junk_shuffled_names_and_dicomdir_change_nothing(tmp_path: Path) -> None:
    paths = write_mr_series(tmp_path)
    for n, path in enumerate(np.random.default_rng(1).permutation(paths)):
        Path(path).rename(tmp_path / f"{n:08x}")
    (tmp_path / "DICOMDIR").write_bytes(b"\0" * 128 + b"DICM")
    (tmp_path / "Thumbs.db").write_bytes(b"junk")
    (tmp_path / "report.pdf").write_bytes(b"%PDF-1.4")
    assert np.array_equal(only(inspect_folder(tmp_path)).voxels, stored())


def test_copies_under_another_patient_are_refused(tmp_path: Path) -> None:
    """One export under two PatientIDs: a day of one patient would go to the other."""
    for name in ("a", "b"):
        for path in write_mr_series(tmp_path / "one"):
            dataset = pydicom.dcmread(path)
            dataset.PatientID = name
            (tmp_path / name).mkdir(exist_ok=True)
            dataset.save_as(tmp_path / name / path.name)
            path.unlink()
    report = inspect_folder(tmp_path)
    assert not report.studies()
    (series,) = report.series
    assert "2 different PatientIDs" in series.refused


def test_a_series_exported_twice_is_used_once_and_said(tmp_path: Path) -> None:
    write_mr_series(tmp_path / "a")
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    report = inspect_folder(tmp_path)
    assert np.array_equal(only(report).voxels, stored())
    assert report.series[0].note.startswith("12 instances are copies of others")


def test_the_same_instance_with_other_pixels_is_refused(tmp_path: Path) -> None:
    paths = write_mr_series(tmp_path / "a")
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    copy = tmp_path / "b" / paths[4].name
    rewrite([copy], lambda d: setattr(d, "PixelData", d.PixelData[::-1]))
    (report,) = inspect_folder(tmp_path).series
    assert report.refused.startswith("1 slice positions occur twice")


def test_missing_end_slice_shows_through_the_declared_count(tmp_path: Path) -> None:
    write_mr_series(tmp_path, ImagesInAcquisition=12)[-1].unlink()
    (report,) = inspect_folder(tmp_path).series
    assert "ImagesInAcquisition (0020,1002) declares 12 images" in report.refused
    assert "export the series again" in report.refused


def test_nearly_equal_orientations_are_one_stack(tmp_path: Path) -> None:
    paths = write_mr_series(tmp_path)
    turned = [1, 0.0049, 0, -0.0049, 1, 0]
    rewrite(paths[::2], lambda d: setattr(d, "ImageOrientationPatient", turned))
    (report,) = inspect_folder(tmp_path).series
    assert report.geometry is not None


def test_thick_slices_far_from_the_origin(tmp_path: Path) -> None:
    positions = np.outer(np.arange(12) * 6.0, [0, 0, 1]) + [0, 0, 417.8]
    write_mr_series(tmp_path, positions=positions, PixelSpacing=[0.5, 0.5])
    scan = only(inspect_folder(tmp_path))
    assert np.allclose(scan.spacing, [0.5, 0.5, 6.0])
    assert np.allclose(scan.affine[:3, 3], [0, 0, 417.8])


def test_colour_pixels_are_no_mr(tmp_path: Path) -> None:
    write_mr_series(tmp_path, PhotometricInterpretation="RGB")
    (report,) = inspect_folder(tmp_path).series
    assert "not MONOCHROME2" in report.refused


@pytest.mark.parametrize("value", [[1.5], ["a", "b"], [float("nan"), 1.5]])
@pytest.mark.filterwarnings("ignore")
def test_malformed_spacing_is_refused_with_the_attribute(tmp_path: Path, value: list) -> None:
    paths = write_mr_series(tmp_path)
    for path in paths:
        dataset = pydicom.dcmread(path)
        del dataset.PixelSpacing
        raw = "\\".join(map(str, value)).encode()
        dataset.add_new(0x00280030, "LO", raw.decode())
        dataset.save_as(path)
    (report,) = inspect_folder(tmp_path).series
    assert "PixelSpacing is" in report.refused


def test_packed_files_are_read(tmp_path: Path) -> None:
    for path in write_mr_series(tmp_path):
        path.with_suffix(".dcm.gz").write_bytes(gzip.compress(path.read_bytes()))
        path.unlink()
    assert np.array_equal(only(inspect_folder(tmp_path)).voxels, stored())


def test_values_in_the_upper_bits_are_shifted(tmp_path: Path) -> None:
    def change(dataset: Dataset) -> None:
        dataset.BitsStored, dataset.HighBit = 12, 15
        values = np.frombuffer(dataset.PixelData, np.uint16)
        dataset.PixelData = (values << 4).astype(np.uint16).tobytes()

    rewrite(write_mr_series(tmp_path), change)
    assert np.array_equal(only(inspect_folder(tmp_path)).voxels, stored())


def test_impossible_bits_are_refused(tmp_path: Path) -> None:
    def change(dataset: Dataset) -> None:
        dataset.BitsStored, dataset.HighBit = 12, 3

    rewrite(write_mr_series(tmp_path), change)
    with pytest.raises(UnreadableImage, match="BitsStored and HighBit"):
        only(inspect_folder(tmp_path))


def write_enhanced(path: Path, slices: int = 12, step: float = 2.0, **tags: object) -> None:
    """One enhanced MR file with the pixels of the classic writer; frames in reverse order."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = EnhancedMRImageStorage
    meta.MediaStorageSOPInstanceUID = "1.2.3.9.9"
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    d = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    d.SOPClassUID, d.SOPInstanceUID = EnhancedMRImageStorage, "1.2.3.9.9"
    d.Modality, d.PatientID, d.StudyDate = "MR", "patient", "20200101"
    d.StudyInstanceUID, d.SeriesInstanceUID, d.SeriesDescription = "1.2.3", "1.2.3.1", "t1"
    d.ImageType = ["ORIGINAL", "PRIMARY", "T1", "NONE"]
    d.EchoPulseSequence, d.InversionRecovery = "GRADIENT", "YES"
    d.Rows, d.Columns, d.SamplesPerPixel = 8, 6, 1
    d.PhotometricInterpretation, d.PixelRepresentation = "MONOCHROME2", 0
    d.BitsAllocated, d.BitsStored, d.HighBit = 16, 16, 15
    d.NumberOfFrames = slices
    d.SharedFunctionalGroupsSequence = Items(
        [
            group(
                PlaneOrientationSequence=group(ImageOrientationPatient=[1, 0, 0, 0, 1, 0]),
                PixelMeasuresSequence=group(PixelSpacing=[1.5, 1.25], SliceThickness=step),
                MRTimingAndRelatedParametersSequence=group(RepetitionTime=8.0),
                MREchoSequence=group(EffectiveEchoTime=3.0),
                MRModifierSequence=group(InversionTimes=[900.0]),
            )
        ]
    )
    order = range(slices - 1, -1, -1)
    d.PerFrameFunctionalGroupsSequence = Items(
        [
            group(
                PlanePositionSequence=group(ImagePositionPatient=[0, 0, step * z]),
                PixelValueTransformationSequence=group(
                    RescaleSlope=1.0 + z, RescaleIntercept=0.0, RescaleType="US"
                ),
            )
            for z in order
        ]
    )
    planes = stored(slices)
    d.PixelData = np.stack([planes[:, :, z].T for z in order]).astype(np.uint16).tobytes()
    for keyword, value in tags.items():
        setattr(d, keyword, value)
    path.parent.mkdir(parents=True, exist_ok=True)
    d.save_as(path, enforce_file_format=True)


def group(**values: object) -> Dataset:
    """A functional group; a Dataset among ``values`` becomes a sequence of one item."""
    dataset = Dataset()
    for keyword, value in values.items():
        setattr(dataset, keyword, Items([value]) if isinstance(value, Dataset) else value)
    return dataset


def test_enhanced_mr_is_taken_with_the_place_and_slope_of_each_frame(tmp_path: Path) -> None:
    write_enhanced(tmp_path / "enhanced.dcm")
    report = inspect_folder(tmp_path)
    scan = only(report)
    assert scan.sequence is Sequence.T1
    assert "TI 900 ms" in report.series[0].verdict.evidence
    assert np.allclose(scan.affine, np.diag([-1.25, -1.5, 2.0, 1.0]))
    assert np.array_equal(scan.voxels, stored() * np.arange(1, 13))


def test_enhanced_mr_with_a_frame_missing_is_refused(tmp_path: Path) -> None:
    write_enhanced(tmp_path / "enhanced.dcm")
    dataset = pydicom.dcmread(tmp_path / "enhanced.dcm")
    place = dataset.PerFrameFunctionalGroupsSequence[5].PlanePositionSequence[0]
    place.ImagePositionPatient = [0, 0, 100.0]
    dataset.save_as(tmp_path / "enhanced.dcm")
    (report,) = inspect_folder(tmp_path).series
    assert "slices are missing" in report.refused


def test_enhanced_mr_whose_groups_do_not_fit_is_listed(tmp_path: Path) -> None:
    write_mr_series(tmp_path / "classic", series="2")
    write_enhanced(tmp_path / "enhanced.dcm", NumberOfFrames=13)
    report = inspect_folder(tmp_path)
    assert [u.path.name for u in report.unreadable] == ["enhanced.dcm"]
    assert len(report.studies()) == 1


@pytest.mark.parametrize("missing", [4, 17])
def test_a_repeat_half_a_step_off_with_a_gap_is_refused(tmp_path: Path, missing: int) -> None:
    """Twelve slices and a repeat of them 1 mm further, of which one is missing in either part."""
    heights = np.delete(np.concatenate([np.arange(12) * 2.0, np.arange(12) * 2.0 + 1]), missing)
    write_mr_series(tmp_path, positions=np.outer(heights, [0, 0, 1]))
    (series,) = inspect_folder(tmp_path).series
    assert "slices are missing: steps from 1.00 to 2.00 mm" in series.refused
