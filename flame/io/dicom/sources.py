"""What a scan is read from: a checked DICOM series, or a NIfTI file."""

from pathlib import Path

from flame.core.imaging import Scan, Sequence
from flame.io.dicom.geometry import Geometry
from flame.io.dicom.pixels import read_scan
from flame.io.nifti import read_nifti

Source = Geometry | Path


def read_source(source: Source, sequence: Sequence) -> Scan:
    """The scan; raises UnreadableImage that names the file."""
    return read_nifti(source, sequence) if isinstance(source, Path) else read_scan(source, sequence)


def source_paths(source: Source) -> list[Path]:
    """Every file of it, once, in order."""
    if isinstance(source, Path):
        return [source]
    return list(dict.fromkeys(s.path for s in source.slices))


def source_layout(source: Source) -> str:
    """How its files make up the volume, beyond their bytes."""
    if isinstance(source, Path):
        return ""
    return repr((source.affine.tolist(), [(s.frame, s.slope, s.intercept) for s in source.slices]))
