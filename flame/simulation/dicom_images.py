"""Writes simulated volumes as DICOM MR Image objects, one file per slice."""

from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage, generate_uid

from flame.core.imaging import Sequence
from flame.io.dicom.intake import SIMULATED
from flame.simulation.scanner import Scanner, timing

_IMPLEMENTATION = generate_uid(entropy_srcs=["flame", "simulator"])


def uid(*names: object) -> str:
    """Return a DICOM UID that depends on the names only.

    Args:
        names: what identifies the object.
    """
    return str(generate_uid(entropy_srcs=["flame", *map(str, names)]))


@dataclass(frozen=True)
class Study:
    """What all files of one day share.

    Args:
        patient_id: DICOM PatientID.
        sex: DICOM PatientSex.
        age: age of the patient in years.
        day: date of the study.
        number: number of the study of the patient.
        frame: number of the study whose frame of reference this one has; None: its own.
    """

    patient_id: str
    sex: str
    age: int
    day: date
    number: int
    frame: int | None = None

    @property
    def study_uid(self) -> str:
        """DICOM StudyInstanceUID."""
        return uid(self.patient_id, "study", self.number)

    @property
    def frame_uid(self) -> str:
        """DICOM FrameOfReferenceUID: that of study ``frame``, or the study's own."""
        return uid(self.patient_id, "frame", self.frame or self.number)


def base_dataset(study: Study, sop_class: str, sop_uid: str, modality: str) -> FileDataset:
    """Return a dataset with the patient, study and SOP attributes that every object needs.

    Args:
        study: patient and study.
        sop_class: SOPClassUID.
        sop_uid: SOPInstanceUID.
        modality: Modality, such as MR.
    """
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = sop_class
    meta.MediaStorageSOPInstanceUID = sop_uid
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.ImplementationClassUID = _IMPLEMENTATION
    dataset = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    dataset.SOPClassUID, dataset.SOPInstanceUID = sop_class, sop_uid
    dataset.Modality = modality
    dataset.PatientID, dataset.PatientName = study.patient_id, "Simulated^Patient"
    dataset.PatientSex, dataset.PatientAge = study.sex, f"{study.age:03d}Y"
    dataset.PatientBirthDate = f"{study.day.year - study.age}0101"
    dataset.StudyInstanceUID, dataset.StudyID = study.study_uid, str(study.number)
    dataset.StudyDate = dataset.SeriesDate = f"{study.day:%Y%m%d}"
    dataset.StudyTime, dataset.AccessionNumber = "120000", ""
    dataset.ReferringPhysicianName = ""
    dataset.FrameOfReferenceUID = study.frame_uid
    dataset.PositionReferenceIndicator = ""
    return dataset


def save(dataset: Dataset, path: Path) -> None:
    """Write a DICOM file with preamble and file meta information, and its folder.

    Args:
        dataset: the dataset.
        path: the file.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    dataset.save_as(path, enforce_file_format=True)


def write_series(
    folder: Path,
    study: Study,
    scanner: Scanner,
    sequence: Sequence,
    voxels: NDArray[np.uint16],
    affine: NDArray[np.float64],
) -> None:
    """Write a volume as one MR Image file per slice.

    Args:
        folder: folder of the series.
        study: patient and study.
        scanner: scanner that acquired the volume.
        sequence: sequence of the volume.
        voxels: stored values of 12 bits (column, row, slice).
        affine: RAS+ affine in mm of these axes.
    """
    number = list(Sequence).index(sequence) + 2
    lps = np.diag([-1.0, -1.0, 1.0, 1.0]) @ affine
    spacing = np.linalg.norm(lps[:3, :3], axis=0)
    series_uid = uid(study.study_uid, "series", number)
    for z in range(voxels.shape[2]):
        sop_uid = uid(series_uid, z)
        dataset = base_dataset(study, MRImageStorage, sop_uid, "MR")
        dataset.ImageComments = SIMULATED
        dataset.ImageType = ["ORIGINAL", "PRIMARY", "M", "ND"]
        dataset.Manufacturer, dataset.ManufacturerModelName = scanner.manufacturer, scanner.model
        dataset.MagneticFieldStrength = scanner.field
        dataset.SeriesInstanceUID, dataset.SeriesNumber = series_uid, number
        dataset.SeriesDescription = scanner.descriptions[sequence]
        dataset.ScanningSequence = "GR" if sequence in (Sequence.T1, Sequence.T1C) else "SE"
        dataset.SequenceVariant, dataset.MRAcquisitionType = "SP", "3D"
        dataset.ScanOptions, dataset.EchoTrainLength, dataset.InstanceNumber = "", 1, z + 1
        dataset.AcquisitionDate = dataset.StudyDate
        for keyword, value in timing(sequence).items():
            setattr(dataset, keyword, value)
        if sequence is Sequence.T1C:
            dataset.ContrastBolusAgent = "Gadolinium"
        dataset.PixelSpacing = [f"{spacing[1]:.6f}", f"{spacing[0]:.6f}"]
        dataset.SliceThickness = f"{spacing[2]:.6f}"
        dataset.ImageOrientationPatient = [
            f"{v:.8f}" for v in (lps[:3, :2] / spacing[:2]).T.ravel()
        ]
        dataset.ImagePositionPatient = [f"{v:.6f}" for v in lps[:3, 3] + z * lps[:3, 2]]
        dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
        dataset.Rows, dataset.Columns = voxels.shape[1], voxels.shape[0]
        dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, 12, 11
        dataset.PixelRepresentation = 0
        dataset.PixelData = np.ascontiguousarray(voxels[:, :, z].T).tobytes()
        save(dataset, folder / f"IM{z + 1:04d}.dcm")
