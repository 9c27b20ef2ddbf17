"""DICOM headers of a folder, grouped into series; pixels stay on disk."""

import warnings
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pydicom
from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError

from flame.core.errors import BadInput


@dataclass(frozen=True, eq=False)
class Instance:
    """One DICOM file: its path and its header without pixel data."""

    path: Path
    header: Dataset


@dataclass(frozen=True, eq=False)
class Series:
    """Instances that claim to be one image: same series, orientation, echo, type and matrix."""

    instances: tuple[Instance, ...]

    @property
    def header(self) -> Dataset:
        """Header of the first instance."""
        return self.instances[0].header

    @property
    def description(self) -> str:
        """SeriesDescription (0008,103E), else ProtocolName, else empty."""
        header = self.header
        return str(header.get("SeriesDescription") or header.get("ProtocolName") or "")

    @property
    def folder(self) -> Path:
        """Folder of the first instance."""
        return self.instances[0].path.parent


@dataclass(frozen=True)
class UnreadableFile:
    """A file that was passed over, and why; ``damaged`` where it is, or was, DICOM."""

    path: Path
    reason: str
    damaged: bool = False


def read_headers(
    folder: Path, progress: Callable[[int, int], None] = lambda done, total: None
) -> tuple[list[Instance], list[UnreadableFile]]:
    """Read every DICOM header below ``folder``.

    Raises BadInput where the folder is absent, empty or holds no DICOM file.
    """
    if not folder.is_dir():
        raise BadInput(f"{folder} is not a folder; give the folder that holds the DICOM files")
    paths = sorted(p for p in folder.rglob("*") if p.is_file() and p.name != "DICOMDIR")
    if not paths:
        raise BadInput(f"{folder} is empty; give the folder that holds the DICOM files")
    instances: list[Instance] = []
    unreadable: list[UnreadableFile] = []
    for done, path in enumerate(paths, 1):
        item = _read_header(path)
        if isinstance(item, Instance):
            instances.append(item)
        else:
            unreadable.append(item)
        progress(done, len(paths))
    if not instances:
        raise BadInput(
            f"{folder} holds {len(paths)} files but no DICOM; files compressed with gzip must be "
            "unpacked, and NIfTI needs no import"
        )
    return instances, unreadable


def _read_header(path: Path) -> Instance | UnreadableFile:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                header = pydicom.dcmread(path, stop_before_pixels=True)
            except InvalidDicomError:
                header = pydicom.dcmread(path, stop_before_pixels=True, force=True)
            header.decode()
    except Exception as error:  # pydicom raises many kinds on damaged files; each is reported
        return _unreadable(path, f"unreadable DICOM header ({type(error).__name__})")
    if "SOPClassUID" not in header:
        return _unreadable(path, "not DICOM")
    return Instance(path, header)


def _unreadable(path: Path, reason: str) -> UnreadableFile:
    with path.open("rb") as stream:
        damaged = stream.read(132)[128:] == b"DICM"
    return UnreadableFile(path, "damaged DICOM file" if damaged else reason, damaged)


def _group_key(instance: Instance) -> tuple[object, ...]:
    header = instance.header
    orientation = header.get("ImageOrientationPatient") or ()
    return (
        str(header.get("StudyInstanceUID", "")),
        str(header.get("SeriesInstanceUID", "")),
        tuple(round(float(v), 2) + 0.0 for v in orientation),
        str(header.get("EchoTime", "")),
        tuple(header.get("ImageType") or ()),
        header.get("Rows"),
        header.get("Columns"),
        str(header.get("TemporalPositionIdentifier", "")),
    )


def group_series(instances: list[Instance]) -> list[Series]:
    """Group MR instances into series, in a stable order.

    One SeriesInstanceUID that holds several orientations, echoes, image types or matrices
    (localizers, dual-echo, magnitude and phase) falls apart into several series.
    """
    groups: dict[tuple[object, ...], list[Instance]] = defaultdict(list)
    for instance in instances:
        if instance.header.get("Modality") == "MR":
            groups[_group_key(instance)].append(instance)
    ordered = sorted(groups.values(), key=lambda group: str(group[0].path))
    return [Series(tuple(group)) for group in ordered]
