"""The output folder of preprocessing: it belongs to one DICOM folder and one pseudonym key."""

from pathlib import Path

from flame.core.errors import BadInput
from flame.core.files import write_text
from flame.io.pseudonym import pseudonym
from flame.preprocessing.study import Study

_MARKER = ".source"
"""File with a hash of the key, and a hash of the path of the DICOM folder."""
_OF_THE_SYSTEM = (".DS_Store", "._", "Thumbs.db", "desktop.ini", ".lock", ".nfs")
"""Beginnings of the names of files that operating systems leave in any folder."""
_OF_PEOPLE = ("decisions.tsv", "README", ".bidsignore")
"""Files that a person may write before the first run."""


def check_output(dicom: Path, out: Path) -> None:
    """Check that an output folder may be written to.

    A folder that FLAME made may hold any other files; they stay as they are.

    Args:
        dicom: the DICOM folder.
        out: the output folder, which may not exist yet.

    Raises:
        BadInput: the folder is a file, lies inside the DICOM folder, or holds what FLAME did not
            make.
    """
    if out.exists() and not out.is_dir():
        raise BadInput(f"{out} is a file; give a folder")
    if out.resolve().is_relative_to(dicom.resolve()):
        raise BadInput(f"{out} lies inside the DICOM folder; give a folder outside it")
    if not out.exists() or (out / _MARKER).exists():
        return
    if any(out.glob("sub-*")):
        raise BadInput(f"{out} holds a BIDS data set that FLAME did not make; give a new folder")
    other = [p.name for p in out.iterdir() if not p.name.startswith(_OF_THE_SYSTEM + _OF_PEOPLE)]
    if other:
        raise BadInput(f"{out} holds other files, such as {min(other)}; give a new folder")


def claim_output(out: Path, dicom: Path, key: bytes, studies: list[Study]) -> None:
    """Mark an output folder as made from a DICOM folder, or check that it was.

    Sessions that a DICOM folder lacks are removed. A DICOM folder at another path is therefore the
    same one only if it holds all sessions of the output folder.

    Args:
        out: the output folder.
        dicom: the DICOM folder.
        key: the pseudonym key.
        studies: the imaging days of the DICOM folder.

    Raises:
        BadInput: the output folder was made with another key, or from another DICOM folder.
    """
    marker = out / _MARKER
    place = pseudonym(key, str(dicom.resolve()))
    identity = pseudonym(key, "")
    if marker.exists():
        before = marker.read_text(encoding="utf-8").split()
        present = {(p.parent.name[4:], p.name[4:]) for p in out.glob("sub-*/ses-*")}
        moved = identity in before and present <= {(s.subject, s.session) for s in studies}
        if place not in before and not moved:
            raise BadInput(
                f"{out} was made from another DICOM folder or with another key; give a new OUT, or "
                "put all patients of the centre below one folder"
            )
    write_text(marker, f"{identity} {place}")
