"""Splits enhanced multi-frame MR into one classic header for each frame (PS3.3 C.7.6.16).

The later steps (grouping, geometry, sequence) therefore handle classic headers only. Only the
functional groups of the standard are read: vendors repeat attributes in private sequences, where
they may differ (Philips (2005,140F) stores positions half a voxel off).
"""

from collections.abc import Mapping

from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.dataset import Dataset

MR = "1.2.840.10008.5.1.4.1.1.4"
"""SOPClassUID of MR Image Storage."""
ENHANCED_MR = {"1.2.840.10008.5.1.4.1.1.4.1", "1.2.840.10008.5.1.4.1.1.4.4"}
"""SOPClassUIDs of Enhanced MR Image Storage and Legacy Converted Enhanced MR Image Storage."""

_GROUP_SEQUENCES = {"SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"}
_GROUPS: Mapping[str, Mapping[str, str]] = {
    "PixelMeasuresSequence": {"PixelSpacing": "", "SliceThickness": ""},
    "PlanePositionSequence": {"ImagePositionPatient": ""},
    "PlaneOrientationSequence": {"ImageOrientationPatient": ""},
    "PixelValueTransformationSequence": {
        "RescaleSlope": "",
        "RescaleIntercept": "",
        "RescaleType": "",
    },
    "FrameContentSequence": {
        "StackID": "",
        "TemporalPositionIndex": "TemporalPositionIdentifier",
        "FrameAcquisitionNumber": "AcquisitionNumber",
        "FrameAcquisitionDateTime": "AcquisitionDateTime",
    },
    "MRTimingAndRelatedParametersSequence": {
        "RepetitionTime": "",
        "FlipAngle": "",
        "EchoTrainLength": "",
    },
    "MREchoSequence": {"EffectiveEchoTime": "EchoTime"},
    "MRModifierSequence": {"InversionTimes": "InversionTime", "InversionRecovery": ""},
    "MRImageFrameTypeSequence": {
        "FrameType": "ImageType",
        "ComplexImageComponent": "",
        "AcquisitionContrast": "",
    },
    "MRDiffusionSequence": {"DiffusionBValue": ""},
    "ContrastBolusUsageSequence": {"ContrastBolusAgentAdministered": ""},
}
"""Attributes that a frame takes from each functional group, with their classic keyword if it is
another one (PS3.3 C.7.6.16.2 and C.8.13.5).
"""
_CONVERTED = {
    "UnassignedSharedConvertedAttributesSequence",
    "UnassignedPerFrameConvertedAttributesSequence",
}
"""Groups of a legacy converted file, which hold classic attributes as they are."""
_ECHO_TYPES = {"GRADIENT": ["GR"], "SPIN": ["SE"], "BOTH": ["GR", "SE"]}
"""ScanningSequence (0018,0020) by EchoPulseSequence (0018,9008)."""


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
    for shared in header.get("SharedFunctionalGroupsSequence") or []:
        _copy(shared, base)
    return [_frame(base, groups) for groups in frames]


def _frame(base: Dataset, groups: Dataset) -> Dataset:
    frame = Dataset()
    frame.update(base)
    _copy(groups, frame)
    _set_scanning_sequence(frame)
    return frame


def _copy(groups: Dataset, target: Dataset) -> None:
    for sequence, attributes in _GROUPS.items():
        for item in groups.get(sequence) or []:
            for keyword, classic in attributes.items():
                _set(target, classic or keyword, item.get(keyword))
    for sequence in _CONVERTED:
        for item in groups.get(sequence) or []:
            target.update({e.tag: e for e in item if not e.tag.is_private})


def _set(target: Dataset, keyword: str, value: object) -> None:
    """Set an attribute by a new element: frames share those that they were copied with."""
    tag = tag_for_keyword(keyword)
    if value in (None, "") or tag is None:
        return
    target.add_new(tag, dictionary_VR(tag), value)


def _set_scanning_sequence(frame: Dataset) -> None:
    """Set ScanningSequence (0018,0020) from the attributes of the MR Pulse Sequence module."""
    scanning_sequence = list(_ECHO_TYPES.get(str(frame.get("EchoPulseSequence", "")), []))
    scanning_sequence += ["IR"] * (frame.get("InversionRecovery") == "YES")
    scanning_sequence += ["EP"] * (frame.get("EchoPlanarPulseSequence") == "YES")
    if scanning_sequence:
        _set(frame, "ScanningSequence", scanning_sequence)
