"""Reads the pixels of a checked series as a scan."""

import warnings
from itertools import groupby
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian

from flame.core.errors import UnreadableImage
from flame.core.imaging import Scan, Sequence
from flame.io.dicom.geometry import Geometry
from flame.io.dicom.instances import read_dataset


def read_scan(geometry: Geometry, sequence: Sequence) -> Scan:
    """Read the slices of a series as a scan.

    Args:
        geometry: checked geometry of the series.
        sequence: MRI sequence of the series.

    Returns:
        Scan with float32 voxels (column, row, slice) and an RAS+ affine in mm.

    Raises:
        UnreadableImage: as ``read_voxels`` does.
    """
    return Scan(read_voxels(geometry, str(sequence)), geometry.affine, sequence, ("dicom",))


def read_voxels(geometry: Geometry, name: str) -> NDArray[np.float32]:
    """Read the slices of a series, each with its own rescale slope and intercept.

    Padding (PixelPaddingValue, 0028,0120) is no signal. It is replaced by the darkest value of the
    volume.

    Args:
        geometry: checked geometry of the series.
        name: what the series shows, for error messages.

    Returns:
        Values (column, row, slice).

    Raises:
        UnreadableImage: pixels cannot be decoded, their size differs from Rows and Columns, or the
            volume is constant or not finite.
    """
    voxels = np.empty(geometry.shape, np.float32)
    numbered = enumerate(geometry.slices)
    for path, members in groupby(numbered, key=lambda item: item[1].path):
        stored, padding = _decode(path, name)
        for z, slice_ in members:
            several = slice_.frame is not None and stored.ndim == 3
            plane = stored[slice_.frame] if several else stored
            if plane.shape != geometry.shape[1::-1]:
                raise UnreadableImage(path, f"pixels of {name} do not fit Rows and Columns")
            with np.errstate(invalid="ignore"):  # an endless slope is refused below
                values = plane * slice_.slope + slice_.intercept
            voxels[:, :, z] = np.where(padding(plane), np.nan, values).T
    if np.isnan(voxels).any():  # padding is no signal: use the darkest value
        voxels = np.where(np.isnan(voxels), np.nanmin(voxels), voxels).astype(np.float32)
    if not np.isfinite(voxels).all() or np.ptp(voxels) == 0:
        path = geometry.slices[0].path.parent
        raise UnreadableImage(path, f"the volume of {name} is constant or not finite")
    return voxels


class _Padding:
    """Marks padding: stored values from PixelPaddingValue (0028,0120) to PixelPaddingRangeLimit."""

    def __init__(self, dataset: Dataset) -> None:
        value = dataset.get("PixelPaddingValue")
        limit = dataset.get("PixelPaddingRangeLimit", value)
        self.span = None if value is None else sorted((float(value), float(limit)))

    def __call__(self, plane: NDArray[np.float64]) -> NDArray[np.bool_]:
        if self.span is None:
            return np.zeros(plane.shape, bool)
        return np.asarray((plane >= self.span[0]) & (plane <= self.span[1]))


def _check_length(dataset: Dataset) -> None:
    """Raise ValueError if uncompressed pixels are not as long as the header says."""
    if dataset.file_meta.TransferSyntaxUID.is_compressed:
        return
    frames = int(dataset.get("NumberOfFrames") or 1)
    samples = int(dataset.get("SamplesPerPixel") or 1)
    bits = frames * samples * dataset.Rows * dataset.Columns * dataset.BitsAllocated
    expected = (bits + 7) // 8
    if len(dataset.PixelData) not in (expected, expected + expected % 2):
        raise ValueError("PixelData is not as long as Rows, Columns and BitsAllocated say")


def _decode(path: Path, name: str) -> tuple[NDArray[np.float64], _Padding]:
    """Return stored values (rows, columns) or (frames, rows, columns), and their padding."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            dataset = read_dataset(path)
            if "TransferSyntaxUID" not in dataset.file_meta:  # a file without meta information
                implicit, _ = dataset.original_encoding
                dataset.file_meta.TransferSyntaxUID = (
                    ImplicitVRLittleEndian if implicit else ExplicitVRLittleEndian
                )
            dataset.pixel_array_options(correct_unused_bits=False)  # it loses the upper bits
            stored = dataset.pixel_array
        _check_length(dataset)
    except Exception as error:
        reason = f"pixels of {name} cannot be decoded ({type(error).__name__})"
        raise UnreadableImage(path, reason) from error
    if stored.dtype.kind in "iu":
        # Bits above HighBit (old overlays) and below the stored bits are not part of the value.
        bits = stored.dtype.itemsize * 8
        high = int(dataset.get("HighBit") or dataset.BitsStored - 1)
        if not 0 < int(dataset.BitsStored) <= high + 1 <= bits:
            raise UnreadableImage(path, f"BitsStored and HighBit of {name} contradict each other")
        stored = (stored << (bits - 1 - high)) >> (bits - int(dataset.BitsStored))
    return stored.astype(float), _Padding(dataset)
