"""Splits enhanced multi-frame MR into one classic header for each frame (PS3.3 C.7.6.16).

The later steps (grouping, geometry, sequence) therefore handle classic headers only.
"""

from collections.abc import Iterator

from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset

ENHANCED_MR = {"1.2.840.10008.5.1.4.1.1.4.1", "1.2.840.10008.5.1.4.1.1.4.4"}
"""SOPClassUIDs of Enhanced MR Image Storage and Legacy Converted Enhanced MR Image Storage."""

_GROUP_SEQUENCES = {"SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"}
_CLASSIC_KEYWORDS = {
    "EffectiveEchoTime": "EchoTime",
    "InversionTimes": "InversionTime",
    "FrameType": "ImageType",
    "TemporalPositionIndex": "TemporalPositionIdentifier",
    "FrameAcquisitionDateTime": "AcquisitionDateTime",
}
"""Keywords in a classic header by keyword in the functional groups."""
_FRAME_ATTRIBUTES = {
    "ImagePositionPatient",
    "ImageOrientationPatient",
    "PixelSpacing",
    "SliceThickness",
    "RescaleSlope",
    "RescaleIntercept",
    "RepetitionTime",
    "FlipAngle",
    "EchoTime",
    "InversionTime",
    "ImageType",
    "StackID",
    "DiffusionBValue",
    "TemporalPositionIdentifier",
    "ContrastBolusAgent",
    "ScanningSequence",
    "SeriesDescription",
}
"""Keywords of the attributes that a frame takes from its functional groups."""


def frame_headers(header: Dataset) -> list[Dataset]:
    """Make a classic header for every frame of an enhanced MR header.

    Args:
        header: header of an enhanced multi-frame file, without pixels.

    Returns:
        One header for each frame, in the order of the frames.

    Raises:
        ValueError: the number of per-frame functional groups is not NumberOfFrames (0028,0008).
    """
    frames = header.get("PerFrameFunctionalGroupsSequence") or []
    if len(frames) != int(header.get("NumberOfFrames") or 0):
        raise ValueError("the per-frame functional groups do not fit NumberOfFrames (0028,0008)")
    base = Dataset()
    base.update({e.tag: e for e in header if e.keyword not in _GROUP_SEQUENCES})
    base.NumberOfFrames = 1
    _set_scanning_sequence(base)
    for shared in header.get("SharedFunctionalGroupsSequence") or []:
        _copy(shared, base)
    return [_frame(base, groups) for groups in frames]


def _frame(base: Dataset, groups: Dataset) -> Dataset:
    frame = Dataset()
    frame.update(base)
    _copy(groups, frame)
    return frame


def _copy(groups: Dataset, target: Dataset) -> None:
    for element in _elements(groups):
        keyword = _CLASSIC_KEYWORDS.get(element.keyword, element.keyword)
        value = element.value
        if keyword not in _FRAME_ATTRIBUTES or value in (None, ""):
            continue
        several = element.keyword == "InversionTimes" and not isinstance(value, int | float)
        setattr(target, keyword, value[0] if several else value)


def _elements(groups: Dataset) -> Iterator[DataElement]:
    for group in groups:
        for item in group.value if group.VR == "SQ" else ():
            yield from (e for e in item if e.VR != "SQ")


def _set_scanning_sequence(base: Dataset) -> None:
    """Set ScanningSequence (0018,0020) and the contrast agent from enhanced MR attributes."""
    echo_types = {"GRADIENT": ["GR"], "SPIN": ["SE"], "BOTH": ["GR", "SE"]}
    scanning_sequence = list(echo_types.get(str(base.get("EchoPulseSequence", "")), []))
    scanning_sequence += ["IR"] * (base.get("InversionRecovery") == "YES")
    scanning_sequence += ["EP"] * (base.get("EchoPlanarPulseSequence") == "YES")
    if scanning_sequence:
        base.ScanningSequence = scanning_sequence
    agents = base.get("ContrastBolusAgentSequence") or []
    if agents:
        base.ContrastBolusAgent = str(agents[0].get("CodeMeaning") or "contrast agent")
