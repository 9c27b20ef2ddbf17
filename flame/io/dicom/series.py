"""Groups DICOM instances into series, each of which is one stack of slices."""

from collections import Counter, defaultdict
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from pydicom.dataset import Dataset

from flame.io.dicom.b_values import b_value
from flame.io.dicom.instances import Instance, numbers
from flame.io.dicom.multiframe import ENHANCED_MR, MR
from flame.io.dicom.stacks import by_orientation, echo_numbers, is_placed, is_regular, kinds, split

_KINSHIP = (
    *("PatientID", "FrameOfReferenceUID", "SeriesDescription", "SeriesNumber"),
    *("Rows", "Columns"),
)
"""What slices of one stack share although each has a SeriesInstanceUID of its own."""

_FORM = ("Rows", "Columns", "SOPClassUID")
"""What all instances of a stack share; the same series may be there as classic and as enhanced."""


class Content(NamedTuple):
    """What the whole SeriesInstanceUID of a series holds.

    Args:
        echoes: number of echo times.
        time_points: largest number of stacks at one place that differ in time only.
        b_value: highest diffusion weighting in s/mm².
    """

    echoes: int = 1
    time_points: int = 1
    b_value: float = 0.0


@dataclass(frozen=True, eq=False)
class Series:
    """Instances of one stack.

    Args:
        instances: the instances, at least one.
        part: number of the stack, from 1, if its SeriesInstanceUID holds several; else 0.
        content: what the whole SeriesInstanceUID holds.
        defect: why the instances are no stack that could be used; empty if they may be one.
    """

    instances: tuple[Instance, ...]
    part: int = 0
    content: Content = Content()
    defect: str = ""

    @property
    def header(self) -> Dataset:
        """Header of the first instance."""
        return self.instances[0].header

    @property
    def description(self) -> str:
        """SeriesDescription (0008,103E), or ProtocolName (0018,1030), or an empty text."""
        text = self.header.get("SeriesDescription") or self.header.get("ProtocolName") or ""
        return text if isinstance(text, str) else " ".join(map(str, text))

    @property
    def uid(self) -> str:
        """SeriesInstanceUID (0020,000E), followed by ``/part`` if it holds several stacks."""
        part = f"/{self.part}" if self.part else ""
        return f"{self.header.get('SeriesInstanceUID', '')}{part}"

    @property
    def folder(self) -> Path:
        """Folder of the first instance."""
        return self.instances[0].path.parent


def group_series(instances: list[Instance]) -> list[Series]:
    """Group MR instances into series.

    A SeriesInstanceUID that holds several stacks (localizers, echoes, magnitude and phase,
    repeats) is split into numbered parts. Their numbers depend on the content only, not on file
    names. Files that each have a SeriesInstanceUID of their own are one series if they are slices
    of one stack.

    Args:
        instances: instances; those of other modalities than MR are ignored.

    Returns:
        Series in order of their first file. The parts of one SeriesInstanceUID follow each other.
    """
    groups: dict[tuple[str, ...], list[Instance]] = defaultdict(list)
    for instance in instances:
        if _is_mr(instance.header):
            groups[_text(instance, "StudyInstanceUID", "SeriesInstanceUID")].append(instance)
    numbered = [s for group in _joined(list(groups.values())) for s in _parts(group)]
    return sorted(numbered, key=lambda s: (str(s.instances[0].path), s.instances[0].frame or 0))


def _is_mr(header: Dataset) -> bool:
    return header.get("Modality") == "MR" or header.get("SOPClassUID") in {MR, *ENHANCED_MR}


def _text(instance: Instance, *keywords: str) -> tuple[str, ...]:
    return tuple(str(instance.header.get(k, "")) for k in keywords)


def _joined(groups: list[list[Instance]]) -> list[list[Instance]]:
    """Join series of a single file to the series whose regular stack they are a slice of."""
    kin: dict[tuple[str, ...], list[list[Instance]]] = defaultdict(list)
    for group in groups:
        kin[_text(group[0], *_KINSHIP)].append(group)
    joined = []
    for members in kin.values():
        single = [g for g in members if len(g) == 1 and g[0].frame is None]
        whole = [i for g in members for i in g]
        fits = single and len(members) - len(single) < 2 and len(whole) > 2
        joined += [whole] if fits and is_regular(whole) else members
    return joined


def _parts(group: list[Instance]) -> list[Series]:
    """Return the stacks of one SeriesInstanceUID, numbered if there are several."""
    defect = _defect(group)
    matrices: dict[tuple[str, ...], list[Instance]] = defaultdict(list)
    for instance in group:
        matrices[_text(instance, *_FORM)].append(instance)
    divide = by_orientation if defect else split
    stacks = [stack for members in matrices.values() for stack in divide(members)]
    content = _content(group, stacks)
    series = [Series(tuple(stack), content=content, defect=defect) for stack in stacks]
    if len(series) == 1:
        return series
    ordered = sorted(series, key=_order)
    return [replace(s, part=n) for n, s in enumerate(ordered, 1)]


def _content(group: list[Instance], stacks: list[list[Instance]]) -> Content:
    likeness = Counter(
        _text(s[0], "ImageType", "ImageOrientationPatient", "EchoTime", "InversionTime")
        for s in stacks
        if len(s) > 1
    )
    echoes = len(set(echo_numbers(group)))
    weighting = max(b_value(i.header) for i in group)
    return Content(echoes, max(likeness.values(), default=1), weighting)


def _defect(group: list[Instance]) -> str:
    """Return what differs among the slices of one regular stack and makes it no image."""
    placed = sum(is_placed(i) for i in group)
    if 0 < placed < len(group):
        return (
            "ImagePositionPatient (0020,0032) or ImageOrientationPatient (0020,0037) is missing in "
            f"{len(group) - placed} of {len(group)} slices; export the original series"
        )
    parts = sorted(by_orientation(group), key=len, reverse=True)
    if not is_regular([i for part in parts for i in part]):
        return ""
    orientation = {id(i): n for n, part in enumerate(parts) for i in part}
    values: dict[str, Sequence[Hashable]] = {
        "ImageOrientationPatient (0020,0037)": [orientation[id(i)] for i in group],
        "Rows (0028,0010), Columns (0028,0011) or SOPClassUID": [_text(i, *_FORM) for i in group],
        "EchoTime (0018,0081)": echo_numbers(group),
        "the kind of image in ImageType (0008,0008)": kinds(group),
    }
    for name, found in values.items():
        counts = Counter(found)
        if len(counts) > 1:
            numbers_of_slices = " and ".join(map(str, sorted(counts.values(), reverse=True)))
            return (
                f"{name} differs within one stack of slices ({numbers_of_slices} slices); export "
                "the original series"
            )
    return ""


def _order(series: Series) -> tuple[object, ...]:
    echo = numbers(series.header, "EchoTime")
    keywords = ("ImageType", "Rows", "Columns", "TemporalPositionIdentifier", "StackID")
    text = _text(series.instances[0], *keywords, "AcquisitionNumber")
    place = numbers(series.header, "ImageOrientationPatient")
    first = min(numbers(i.header, "ImagePositionPatient") for i in series.instances)
    return echo or (0.0,), text, place, tuple(np.round(first, 3))
