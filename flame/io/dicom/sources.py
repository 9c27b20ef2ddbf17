"""Reads a scan from its source: a checked DICOM series or a NIfTI file."""

from pathlib import Path

from flame.core.imaging import Scan, Sequence
from flame.io.dicom.geometry import Geometry
from flame.io.dicom.pixels import read_scan
from flame.io.nifti import read_nifti

Source = Geometry | Path
"""Geometry of a DICOM series, or path of a NIfTI file."""


def read_source(source: Source, sequence: Sequence) -> Scan:
    """Read a scan from its source.

    Args:
        source: DICOM series or NIfTI file.
        sequence: MRI sequence of the scan.

    Returns:
        Scan with float32 voxels, in voxel order, and an RAS+ affine in mm.

    Raises:
        UnreadableImage: the pixels cannot be read; the error names the file.
    """
    return read_nifti(source, sequence) if isinstance(source, Path) else read_scan(source, sequence)


def source_paths(source: Source) -> list[Path]:
    """Return the files of a source.

    Args:
        source: DICOM series or NIfTI file.

    Returns:
        Each file once, in the order of the slices.
    """
    if isinstance(source, Path):
        return [source]
    return list(dict.fromkeys(s.path for s in source.slices))


def source_layout(source: Source) -> str:
    """Describe what determines the volume besides the bytes of its files.

    The text is part of the hash by which a preprocessed session is recognised.

    Args:
        source: DICOM series or NIfTI file.

    Returns:
        The affine, and the frame, slope and intercept of each slice, as text; empty for a NIfTI
        file.
    """
    if isinstance(source, Path):
        return ""
    return repr((source.affine.tolist(), [(s.frame, s.slope, s.intercept) for s in source.slices]))
