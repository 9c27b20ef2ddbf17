"""DICOM series written on the spot."""

from pathlib import Path

import numpy as np
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage, generate_uid

AXIAL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)


def write_mr_series(
    folder: Path,
    slices: int = 12,
    step: float = 2.0,
    orientation: tuple[float, ...] = AXIAL,
    positions: np.ndarray | None = None,
    series: str = "1",
    **tags: object,
) -> list[Path]:
    """Write a T1-like MR series of 8 rows and 6 columns; ``tags`` override attributes."""
    row, column = np.reshape(orientation, (2, 3))
    if positions is None:
        positions = np.outer(np.arange(slices) * step, np.cross(row, column))
    folder.mkdir(parents=True, exist_ok=True)
    rng, paths = np.random.default_rng(0), []
    for z, position in enumerate(positions):
        meta = FileMetaDataset()
        meta.MediaStorageSOPClassUID = MRImageStorage
        source = [folder.name, series, str(slices), str(step), str(z), repr(sorted(tags.items()))]
        meta.MediaStorageSOPInstanceUID = generate_uid(entropy_srcs=source)
        meta.TransferSyntaxUID = ExplicitVRLittleEndian
        d = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
        d.SOPClassUID, d.SOPInstanceUID = MRImageStorage, meta.MediaStorageSOPInstanceUID
        d.Modality, d.PatientID, d.StudyDate = "MR", "patient", "20200101"
        d.StudyInstanceUID, d.SeriesInstanceUID = "1.2.3", f"1.2.3.{series}"
        d.SeriesDescription, d.ImageType = "t1", ["ORIGINAL", "PRIMARY"]
        d.ScanningSequence, d.RepetitionTime, d.EchoTime, d.InversionTime = "GR", 8.0, 3.0, 900.0
        d.ImageOrientationPatient = list(map(float, orientation))
        d.ImagePositionPatient = [float(v) for v in position]
        d.PixelSpacing, d.SliceThickness = [1.5, 1.25], step
        d.Rows, d.Columns, d.SamplesPerPixel = 8, 6, 1
        d.PhotometricInterpretation, d.PixelRepresentation = "MONOCHROME2", 0
        d.BitsAllocated, d.BitsStored, d.HighBit = 16, 16, 15
        d.PixelData = (rng.integers(0, 90, (8, 6)) + 100 * z).astype(np.uint16).tobytes()
        for keyword, value in tags.items():
            if value is None:
                delattr(d, keyword)
            else:
                setattr(d, keyword, value)
        path = folder / f"{series}-{slices - z:03d}.dcm"  # names run against the order in space
        d.save_as(path, enforce_file_format=True)
        paths.append(path)
    return paths
