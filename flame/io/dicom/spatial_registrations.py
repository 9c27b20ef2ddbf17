"""Reads Spatial Registration objects, and finds the frames of reference that they lead to.

Reference:
    DICOM PS3.3, C.20.2.1.1 (Frame of Reference Transformation Matrix).
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from flame.io.dicom.dates import first_date
from flame.io.dicom.geometry import LPS_TO_RAS
from flame.io.dicom.instances import Instance, items, numbers

SPATIAL_REGISTRATION = "1.2.840.10008.5.1.4.1.1.66.1"
"""SOPClassUID of Spatial Registration Storage."""
DEFORMABLE_REGISTRATION = "1.2.840.10008.5.1.4.1.1.66.3"
"""SOPClassUID of Deformable Spatial Registration Storage."""
_KINDS = ("RIGID", "RIGID_SCALE", "AFFINE")
"""Values of FrameOfReferenceTransformationMatrixType (0070,030C)."""
_NOT_ORTHONORMAL = 1e-3
"""Largest error of the rotation of a rigid matrix."""

Matrix = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class FrameLink:
    """Map from one frame of reference to another.

    Args:
        source: FrameOfReferenceUID (0020,0052) of the points.
        target: FrameOfReferenceUID that they are mapped to.
        matrix: RAS+ matrix (4, 4) in mm from source to target.
    """

    source: str
    target: str
    matrix: Matrix

    @property
    def back(self) -> "FrameLink":
        """The link from target to source."""
        return FrameLink(self.target, self.source, np.asarray(np.linalg.inv(self.matrix), float))


def is_registration(instance: Instance) -> bool:
    """Check whether an instance is a Spatial Registration, deformable or not.

    Args:
        instance: the instance.

    Returns:
        True for both kinds.
    """
    kinds = (SPATIAL_REGISTRATION, DEFORMABLE_REGISTRATION)
    return str(instance.header.get("SOPClassUID")) in kinds


def read_links(instances: Iterable[Instance]) -> tuple[list[FrameLink], list[str]]:
    """Read the links of all registrations of a patient.

    Where two objects link the same frames, the one of the later date counts.

    Args:
        instances: instances of one patient; those that are no registration are ignored.

    Returns:
        Links, and notes on objects that cannot be used.
    """
    registrations = [i for i in instances if is_registration(i)]
    links: dict[tuple[str, str], FrameLink] = {}
    notes = []
    for instance in sorted(registrations, key=_made):
        try:
            read = _links(instance.header)
        except ValueError as error:
            notes.append(f"a Spatial Registration was left out: {error}")
            continue
        for link in read:
            links.pop((link.target, link.source), None)
            links[link.source, link.target] = link
    return list(links.values()), notes


def reachable(links: Iterable[FrameLink], source: str) -> dict[str, Matrix]:
    """Find all frames of reference that chains of links lead to, in both directions.

    Args:
        links: links of the patient.
        source: FrameOfReferenceUID to start from.

    Returns:
        RAS+ matrix (4, 4) in mm from the source to each frame, by FrameOfReferenceUID; of the
        shortest chain, nearest frames first. The source itself is left out.

    Example:
        >>> shift = np.eye(4)
        >>> shift[0, 3] = 5.0
        >>> chain = [FrameLink("b", "a", shift), FrameLink("b", "c", shift)]
        >>> reachable(chain, "a")["c"][0, 3]  # back by 5 mm, and forth
        np.float64(0.0)
    """
    both = [x for link in links for x in (link, link.back)]
    reached = {source: np.eye(4)}
    waiting = deque([source])
    while waiting:
        frame = waiting.popleft()
        for link in both:
            if link.source == frame and link.target not in reached:
                reached[link.target] = link.matrix @ reached[frame]
                waiting.append(link.target)
    del reached[source]
    return reached


def _made(instance: Instance) -> tuple[str, str, str]:
    header = instance.header
    day = first_date(header, "ContentDate", "InstanceCreationDate", "SeriesDate", "StudyDate")
    time = str(header.get("ContentTime") or header.get("SeriesTime") or "")
    return str(day or ""), time, str(header.get("SOPInstanceUID", ""))


def _links(header: Dataset) -> list[FrameLink]:
    """Return the links of one object; ValueError names what cannot be used."""
    if str(header.get("SOPClassUID")) == DEFORMABLE_REGISTRATION:
        raise ValueError("it is deformable; export a rigid one")
    target = str(header.get("FrameOfReferenceUID") or "")
    links = []
    for item in items(header, "RegistrationSequence"):
        source = str(item.get("FrameOfReferenceUID") or "")
        if source == target:
            continue
        if not source:
            raise ValueError("an item names no FrameOfReferenceUID (0020,0052); export it again")
        steps = [
            step
            for registration in items(item, "MatrixRegistrationSequence")
            for step in items(registration, "MatrixSequence")
        ]
        if not steps:
            raise ValueError("it has no matrix (MatrixRegistrationSequence); export it again")
        matrix = np.eye(4)
        for step in steps:
            matrix = _matrix(step) @ matrix
        links.append(FrameLink(source, target, LPS_TO_RAS @ matrix @ LPS_TO_RAS))
    if not target:
        raise ValueError("FrameOfReferenceUID (0020,0052) is missing; export it again")
    return links


def _matrix(step: Dataset) -> Matrix:
    """Return the matrix (4, 4) of one step in LPS+ mm."""
    values = np.array(numbers(step, "FrameOfReferenceTransformationMatrix"))
    kind = str(step.get("FrameOfReferenceTransformationMatrixType", "RIGID"))
    if kind not in _KINDS:
        raise ValueError("its matrix type is unknown; export a rigid one")
    if values.size != 16 or not np.isfinite(values).all():
        raise ValueError("its matrix does not have 16 numbers; export it again")
    matrix = values.reshape(4, 4)
    turn = matrix[:3, :3]
    if not np.allclose(matrix[3], [0, 0, 0, 1], atol=1e-6) or not np.linalg.det(turn) > 1e-3:
        raise ValueError("its matrix is no movement of points in space; export it again")
    if kind == "RIGID" and not np.allclose(turn @ turn.T, np.eye(3), atol=_NOT_ORTHONORMAL):
        raise ValueError("its matrix is called rigid but changes lengths; export it again")
    return np.asarray(matrix)
