"""DICOM instances: files, or frames of files, and the values of their headers."""

import math
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import pydicom
from pydicom.dataset import Dataset, FileDataset
from pydicom.errors import InvalidDicomError
from pydicom.uid import DeflatedExplicitVRLittleEndian

from flame.core.expansion import check_deflated, check_size, unzipped


@dataclass(frozen=True, eq=False)
class Instance:
    """One instance of a series, or one frame of an enhanced instance.

    Args:
        path: DICOM file.
        header: header without pixel data.
        frame: frame index in an enhanced multi-frame file, from 0; None in a classic file.
    """

    path: Path
    header: Dataset
    frame: int | None = None

    @property
    def key(self) -> tuple[str, int | None]:
        """SOPInstanceUID (0008,0018) and frame, by which copies are recognised."""
        return str(self.header.get("SOPInstanceUID") or self.path), self.frame


_META_BYTES = 4096
"""Bytes at the start of a file among which its transfer syntax stands."""


def read_dataset(path: Path, pixels: bool = True) -> FileDataset:
    """Read a DICOM file, also one without a preamble or one that is compressed with gzip.

    Args:
        path: the file; ``.gz`` at the end of its name means gzip.
        pixels: whether the pixels are read as well.

    Returns:
        The data set. Any exception of pydicom or gzip passes.

    Raises:
        TooLargeError: the file is small, but its content or its pixels would not be.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with unzipped(path) if path.suffix == ".gz" else path.open("rb") as stream:
            _check_deflated(stream)
            try:
                dataset = pydicom.dcmread(stream, stop_before_pixels=not pixels)
            except InvalidDicomError:
                stream.seek(0)
                dataset = pydicom.dcmread(stream, stop_before_pixels=not pixels, force=True)
        if pixels:
            check_size(_pixel_bytes(dataset))
        return dataset


def _check_deflated(stream: BinaryIO) -> None:
    """Check what a deflated data set becomes, which pydicom inflates as a whole."""
    start = stream.read(_META_BYTES)
    if start[128:132] == b"DICM" and DeflatedExplicitVRLittleEndian.encode() in start:
        after_meta = 144 + int.from_bytes(start[140:144], "little")
        check_deflated((start + stream.read())[after_meta:])
    stream.seek(0)


def _pixel_bytes(header: Dataset) -> float:
    """Return the size of the pixels that a header declares."""
    parts = ("Rows", "Columns", "NumberOfFrames", "SamplesPerPixel", "BitsAllocated")
    return math.prod(number(header, keyword) or 1.0 for keyword in parts) / 8


def numbers(header: Dataset, keyword: str) -> tuple[float, ...]:
    """Read the numbers of a DICOM attribute.

    Args:
        header: DICOM header.
        keyword: keyword of the attribute.

    Returns:
        The numbers; empty if the attribute is absent or malformed.

    Example:
        >>> header = Dataset()
        >>> header.PixelSpacing = [0.5, 0.5]
        >>> numbers(header, "PixelSpacing")
        (0.5, 0.5)
        >>> numbers(header, "EchoTime")
        ()
    """
    try:
        value = header.get(keyword)
        values = value if not isinstance(value, str | int | float) and value else [value]
        return tuple(float(v) for v in values) if value not in (None, "") else ()
    except (TypeError, ValueError):
        return ()


def number(header: Dataset, keyword: str) -> float | None:
    """Return the first number of a DICOM attribute; None if it has none."""
    values = numbers(header, keyword)
    return values[0] if values else None


def whole_number(header: Dataset, keyword: str) -> int | None:
    """Return the first number of a DICOM attribute without its fraction; None if it has none."""
    value = number(header, keyword)
    return int(value) if value is not None and math.isfinite(value) else None


def items(header: Dataset, keyword: str) -> list[Dataset]:
    """Return the items of a sequence; none if the sequence is absent or malformed."""
    try:
        return [item for item in header.get(keyword) or [] if isinstance(item, Dataset)]
    except (TypeError, ValueError, KeyError, AttributeError, OverflowError):
        return []


def words(header: Dataset, *keywords: str) -> set[str]:
    """Return the values of attributes of text, in capitals.

    Args:
        header: DICOM header.
        *keywords: keywords of the attributes.

    Returns:
        All values; empty if the attributes are absent.
    """
    values: set[str] = set()
    for keyword in keywords:
        value = header.get(keyword)
        values |= {
            str(v).strip().upper() for v in ([value] if isinstance(value, str) else value or ())
        }
    return values - {""}
