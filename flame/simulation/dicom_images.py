"""Writing of simulated volumes as DICOM MR Image objects, one file per slice."""

from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage, generate_uid

from flame.core.imaging import STRUCTURAL, Sequence
from flame.io.dicom.intake import SIMULATED
from flame.simulation.scanner import Scanner, timing

_IMPLEMENTATION = generate_uid(entropy_srcs=["flame", "simulator"])
"""DICOM ImplementationClassUID of the simulator."""


def uid(*names: object) -> str:
    """Make a DICOM UID that depends only on some names.

    Args:
        *names: names and numbers that identify the object.

    Returns:
        UID, the same for the same names.
    """
    return str(generate_uid(entropy_srcs=["flame", *map(str, names)]))


@dataclass(frozen=True)
class Study:
    """Attributes that all files of one day share.

    Args:
        patient_id: DICOM PatientID.
        sex: DICOM PatientSex.
        age: age of the patient in years.
        day: date of the study.
        number: number of the study, unique for the patient.
        frame: number of the study whose frame of reference this study shares; None: its own.
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
    """Make a dataset with the patient, study and SOP attributes that every object needs.

    Args:
        study: patient and study.
        sop_class: SOPClassUID.
        sop_uid: SOPInstanceUID.
        modality: Modality, such as MR.

    Returns:
        Dataset with file meta information, to which the caller adds its attributes.
    """
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = sop_class
    meta.MediaStorageSOPInstanceUID = sop_uid
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.ImplementationClassUID = _IMPLEMENTATION
    dataset = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    dataset.SOPClassUID = sop_class
    dataset.SOPInstanceUID = sop_uid
    dataset.Modality = modality
    dataset.PatientID = study.patient_id
    dataset.PatientName = "Simulated^Patient"
    dataset.PatientSex = study.sex
    dataset.PatientAge = f"{study.age:03d}Y"
    dataset.PatientBirthDate = f"{study.day.year - study.age}0101"
    dataset.StudyInstanceUID = study.study_uid
    dataset.StudyID = str(study.number)
    dataset.StudyDate = dataset.SeriesDate = f"{study.day:%Y%m%d}"
    dataset.StudyTime = "120000"
    dataset.AccessionNumber = ""
    dataset.ReferringPhysicianName = ""
    dataset.FrameOfReferenceUID = study.frame_uid
    dataset.PositionReferenceIndicator = ""
    return dataset


def save(dataset: Dataset, path: Path) -> None:
    """Write a DICOM file with preamble and file meta information; make its folder if needed.

    Args:
        dataset: dataset with file meta information.
        path: file to write.
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
        affine: RAS+ affine (4, 4) of these axes in mm.
    """
    number = STRUCTURAL.index(sequence) + 2
    lps = np.diag([-1.0, -1.0, 1.0, 1.0]) @ affine
    spacing = np.linalg.norm(lps[:3, :3], axis=0)
    series_uid = uid(study.study_uid, "series", number)
    for z in range(voxels.shape[2]):
        sop_uid = uid(series_uid, z)
        dataset = base_dataset(study, MRImageStorage, sop_uid, "MR")
        dataset.ImageComments = SIMULATED
        dataset.ImageType = ["ORIGINAL", "PRIMARY", "M", "ND"]
        dataset.Manufacturer = scanner.manufacturer
        dataset.ManufacturerModelName = scanner.model
        dataset.MagneticFieldStrength = scanner.field
        dataset.SeriesInstanceUID = series_uid
        dataset.SeriesNumber = number
        dataset.SeriesDescription = scanner.descriptions[sequence]
        dataset.ScanningSequence = "GR" if sequence in (Sequence.T1, Sequence.T1C) else "SE"
        dataset.SequenceVariant = "SP"
        dataset.MRAcquisitionType = "3D"
        dataset.ScanOptions = ""
        dataset.EchoTrainLength = 1
        dataset.InstanceNumber = z + 1
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
        dataset.SamplesPerPixel = 1
        dataset.PhotometricInterpretation = "MONOCHROME2"
        dataset.Columns, dataset.Rows, _ = voxels.shape
        dataset.BitsAllocated = 16
        dataset.BitsStored = 12
        dataset.HighBit = 11
        dataset.PixelRepresentation = 0
        dataset.PixelData = np.ascontiguousarray(voxels[:, :, z].T).tobytes()
        save(dataset, folder / f"IM{z + 1:04d}.dcm")
