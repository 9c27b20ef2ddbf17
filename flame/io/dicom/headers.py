"""Reads the DICOM headers of a folder, without pixels."""

import gzip
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from flame.core.errors import BadInput
from flame.io.dicom.instances import Instance, read_dataset
from flame.io.dicom.multiframe import ENHANCED_MR, frame_headers

_DRAWN = ("RT", "REG", "SEG")
"""Beginnings of the Modality (0008,0060) of objects that are no images."""
_LONGEST_UID = 64
"""Largest number of characters of a UID (DICOM PS3.5, 6.2)."""


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
        folder: folder with DICOM files, which may be compressed with gzip.
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
            f"{folder} holds {len(paths)} files but no DICOM; archives must be unpacked, and NIfTI "
            "files of a public data set are read by flame import"
        )
    return instances, unreadable


def _read_header(path: Path) -> list[Instance] | UnreadableFile:
    try:
        header = read_dataset(path, pixels=False)
        header.decode()
        if header.get("SOPClassUID") in ENHANCED_MR:
            return [Instance(path, h, n) for n, h in enumerate(frame_headers(header))]
    except Exception as error:  # pydicom raises many kinds on damaged files
        return _unreadable(path, f"unreadable DICOM header ({type(error).__name__})")
    if "SOPClassUID" not in header:
        return _unreadable(path, "not DICOM")
    for keyword in ("StudyInstanceUID", "SeriesInstanceUID"):
        uid = header.get(keyword)
        if not uid and str(header.get("Modality", "")).startswith(_DRAWN):
            continue  # radiotherapy objects are placed by what they refer to
        if not uid:  # every object has both
            return UnreadableFile(path, f"{keyword} is missing", damaged=True)
        # A damaged length makes an identifier swallow the elements that follow it.
        if not isinstance(uid, str) or len(uid) > _LONGEST_UID or not uid.isprintable():
            return UnreadableFile(path, f"{keyword} is damaged", damaged=True)
    return [Instance(path, header)]


def _unreadable(path: Path, reason: str) -> UnreadableFile:
    damaged = _start(path)[128:] == b"DICM"  # the prefix of every DICOM file
    return UnreadableFile(path, "damaged DICOM file" if damaged else reason, damaged)


def _start(path: Path) -> bytes:
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as stream:
            return stream.read(132)
    except (OSError, EOFError):
        return b""
