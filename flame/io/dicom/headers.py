"""Reads the DICOM headers of a folder, without pixels, and groups them into series."""

import warnings
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pydicom
from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError

from flame.core.errors import BadInput
from flame.io.dicom.multiframe import ENHANCED_MR, frame_headers

_SAME_ORIENTATION = 0.01
"""Instances of one stack differ by less than this in each cosine of ImageOrientationPatient."""


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


@dataclass(frozen=True, eq=False)
class Series:
    """Instances of one stack: with the same series, orientation, echo, image type and matrix.

    Args:
        instances: the instances, at least one.
        part: number of the stack, from 1, if its SeriesInstanceUID holds several; else 0.
    """

    instances: tuple[Instance, ...]
    part: int = 0

    @property
    def header(self) -> Dataset:
        """Header of the first instance."""
        return self.instances[0].header

    @property
    def description(self) -> str:
        """SeriesDescription (0008,103E), or ProtocolName (0018,1030), or an empty text."""
        header = self.header
        return str(header.get("SeriesDescription") or header.get("ProtocolName") or "")

    @property
    def uid(self) -> str:
        """SeriesInstanceUID (0020,000E), followed by ``/part`` if it holds several stacks."""
        part = f"/{self.part}" if self.part else ""
        return f"{self.header.get('SeriesInstanceUID', '')}{part}"

    @property
    def folder(self) -> Path:
        """Folder of the first instance."""
        return self.instances[0].path.parent


@dataclass(frozen=True)
class UnreadableFile:
    """A file that was skipped.

    Args:
        path: the file.
        reason: why it was skipped.
        damaged: whether it is a damaged DICOM file, not a file of another format.
    """

    path: Path
    reason: str
    damaged: bool = False


def read_headers(
    folder: Path, progress: Callable[[int, int], None] = lambda done, total: None
) -> tuple[list[Instance], list[UnreadableFile]]:
    """Read every DICOM header below a folder.

    Args:
        folder: folder with DICOM files.
        progress: called with the number of files read and their total.

    Returns:
        The instances, one for each frame of an enhanced file, and the files that were skipped.

    Raises:
        BadInput: the folder does not exist, is empty, or holds no DICOM file.
    """
    if not folder.is_dir():
        raise BadInput(f"{folder} is not a folder; give the folder that holds the DICOM files")
    paths = sorted(p for p in folder.rglob("*") if p.is_file() and p.name != "DICOMDIR")
    if not paths:
        raise BadInput(f"{folder} is empty; give the folder that holds the DICOM files")
    instances: list[Instance] = []
    unreadable: list[UnreadableFile] = []
    for done, path in enumerate(paths, 1):
        result = _read_header(path)
        if isinstance(result, UnreadableFile):
            unreadable.append(result)
        else:
            instances += result
        progress(done, len(paths))
    if not instances:
        raise BadInput(
            f"{folder} holds {len(paths)} files but no DICOM; files compressed with gzip must be "
            "unpacked, and NIfTI files of a public data set are read by flame import"
        )
    return instances, unreadable


def _read_header(path: Path) -> list[Instance] | UnreadableFile:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                header = pydicom.dcmread(path, stop_before_pixels=True)
            except InvalidDicomError:
                header = pydicom.dcmread(path, stop_before_pixels=True, force=True)
            header.decode()
            if header.get("SOPClassUID") in ENHANCED_MR:
                return [Instance(path, h, n) for n, h in enumerate(frame_headers(header))]
    except Exception as error:  # pydicom raises many kinds on damaged files
        return _unreadable(path, f"unreadable DICOM header ({type(error).__name__})")
    if "SOPClassUID" not in header:
        return _unreadable(path, "not DICOM")
    return [Instance(path, header)]


def _unreadable(path: Path, reason: str) -> UnreadableFile:
    with path.open("rb") as stream:
        damaged = stream.read(132)[128:] == b"DICM"  # the prefix of every DICOM file
    return UnreadableFile(path, "damaged DICOM file" if damaged else reason, damaged)


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


def _group_key(instance: Instance) -> tuple[object, ...]:
    header = instance.header
    return (
        str(header.get("StudyInstanceUID", "")),
        str(header.get("SeriesInstanceUID", "")),
        str(header.get("EchoTime", "")),
        tuple(header.get("ImageType") or ()),
        header.get("Rows"),
        header.get("Columns"),
        str(header.get("TemporalPositionIdentifier", "")),
        str(header.get("StackID", "")),
    )


def group_series(instances: list[Instance]) -> list[Series]:
    """Group MR instances into series.

    A SeriesInstanceUID that holds several orientations, echoes, image types or matrices
    (localizers, dual-echo, magnitude and phase) is split into numbered parts. Their numbers depend
    on the content only, not on file names.

    Args:
        instances: instances; those of other modalities than MR are ignored.

    Returns:
        Series in order of their first file. The parts of one SeriesInstanceUID follow each other.
    """
    groups: dict[tuple[object, ...], list[Instance]] = defaultdict(list)
    for instance in instances:
        if instance.header.get("Modality") == "MR":
            groups[_group_key(instance)].append(instance)
    stacks = [stack for group in groups.values() for stack in _by_orientation(group)]
    stacks.sort(key=lambda stack: (str(stack[0].path), stack[0].frame or 0))
    parts: dict[str, list[Series]] = defaultdict(list)
    for stack in stacks:
        series = Series(tuple(stack))
        parts[series.uid].append(series)
    numbered: list[Series] = []
    for same_uid in parts.values():
        if len(same_uid) == 1:
            numbered += same_uid
        else:  # numbers do not depend on file names
            ordered = sorted(same_uid, key=_content)
            numbered += [replace(series, part=n) for n, series in enumerate(ordered, 1)]
    return numbered


def _content(series: Series) -> tuple[object, ...]:
    key = tuple(str(v) for v in _group_key(series.instances[0]))
    echo = numbers(series.header, "EchoTime")
    return echo or (0.0,), key, numbers(series.header, "ImageOrientationPatient")


def _by_orientation(group: list[Instance]) -> list[list[Instance]]:
    """Split a group by ImageOrientationPatient, equal within a tolerance in each cosine."""
    stacks: list[tuple[tuple[float, ...], list[Instance]]] = []
    for instance in group:
        cosines = numbers(instance.header, "ImageOrientationPatient")
        for orientation, members in stacks:
            if len(orientation) == len(cosines) and all(
                abs(a - b) < _SAME_ORIENTATION for a, b in zip(orientation, cosines, strict=True)
            ):
                members.append(instance)
                break
        else:
            stacks.append((cosines, [instance]))
    return [members for _, members in stacks]
