"""The source of a scan: a checked DICOM series or a NIfTI file."""

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

    Raises:
        UnreadableImage: the pixels cannot be read; the error names the file.
    """
    return read_nifti(source, sequence) if isinstance(source, Path) else read_scan(source, sequence)


def source_paths(source: Source) -> list[Path]:
    """Return the files of a source, each once, in order.

    Args:
        source: DICOM series or NIfTI file.
    """
    if isinstance(source, Path):
        return [source]
    return list(dict.fromkeys(s.path for s in source.slices))


def source_layout(source: Source) -> str:
    """Return a text for everything beyond the files' bytes that determines the volume.

    This is the affine, and the frame, slope and intercept of each slice; empty for a NIfTI file. It
    is part of the hash by which a preprocessed session is recognised.

    Args:
        source: DICOM series or NIfTI file.
    """
    if isinstance(source, Path):
        return ""
    return repr((source.affine.tolist(), [(s.frame, s.slope, s.intercept) for s in source.slices]))
