"""Frames take the values of the standard's own groups, each frame its own."""

import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence as Items

from flame.io.dicom.multiframe import frame_headers


def item(**attributes: object) -> Dataset:
    dataset = Dataset()
    for keyword, value in attributes.items():
        setattr(dataset, keyword, value)
    return dataset


def group(sequence: str, **attributes: object) -> dict[str, object]:
    return {sequence: Items([item(**attributes)])}


def enhanced(*frames: Dataset, shared: Dataset | None = None, **top: object) -> Dataset:
    header = item(NumberOfFrames=len(frames), **top)
    header.SharedFunctionalGroupsSequence = Items([shared or Dataset()])
    header.PerFrameFunctionalGroupsSequence = Items(frames)
    return header


def test_private_and_nested_sequences_are_not_read() -> None:
    frame = item(**group("PlanePositionSequence", ImagePositionPatient=[1.0, 2.0, 3.0]))
    private = item(ImagePositionPatient=[9.0, 9.0, 9.0], EchoTime=99.0, RescaleSlope=7.0)
    frame.add_new((0x2005, 0x0014), "LO", "Philips MR Imaging DD 005")
    frame.add_new((0x2005, 0x140F), "SQ", Items([private]))
    frame.RealWorldValueMappingSequence = Items([item(RescaleSlope=5.0)])
    (header,) = frame_headers(enhanced(frame))
    assert list(header.ImagePositionPatient) == [1, 2, 3]
    assert "EchoTime" not in header
    assert "RescaleSlope" not in header


@pytest.mark.parametrize(
    ("sequence", "inside", "classic", "values"),
    [
        ("PixelValueTransformationSequence", "RescaleSlope", "RescaleSlope", (1.0, 2.0)),
        ("MRImageFrameTypeSequence", "FrameType", "ImageType", (["M"], ["P"])),
        ("MREchoSequence", "EffectiveEchoTime", "EchoTime", (3.0, 5.0)),
        ("MRDiffusionSequence", "DiffusionBValue", "DiffusionBValue", (0.0, 1000.0)),
        ("FrameContentSequence", "TemporalPositionIndex", "TemporalPositionIdentifier", (1, 2)),
    ],
)
def test_every_frame_has_its_own_value_also_where_the_top_level_has_one(
    sequence: str, inside: str, classic: str, values: tuple[object, object]
) -> None:
    frames = [item(**group(sequence, **{inside: value})) for value in values]
    headers = frame_headers(enhanced(*frames, **{classic: values[1]}))
    for header, value in zip(headers, values, strict=True):
        found = header[classic].value
        assert (found if not isinstance(value, list) else [found]) == value


def test_inversion_and_contrast_come_from_their_groups() -> None:
    frames = [
        item(
            **group("MRModifierSequence", InversionRecovery="YES", InversionTimes=900.0),
            **group("ContrastBolusUsageSequence", ContrastBolusAgentAdministered=given),
        )
        for given in ("NO", "YES")
    ]
    headers = frame_headers(enhanced(*frames, EchoPulseSequence="GRADIENT"))
    assert [h.ContrastBolusAgentAdministered for h in headers] == ["NO", "YES"]
    assert [list(h.ScanningSequence) for h in headers] == [["GR", "IR"]] * 2
    assert headers[0].InversionTime == 900


def test_a_legacy_converted_file_keeps_its_classic_attributes() -> None:
    shared = item(
        UnassignedSharedConvertedAttributesSequence=Items([item(RepetitionTime=500.0, EchoTime=9)])
    )
    (header,) = frame_headers(enhanced(Dataset(), shared=shared))
    assert (header.RepetitionTime, header.EchoTime) == (500, 9)


def test_groups_that_do_not_fit_the_number_of_frames_are_an_error() -> None:
    header = enhanced(Dataset())
    header.NumberOfFrames = 2
    with pytest.raises(ValueError, match="do not fit NumberOfFrames"):
        frame_headers(header)
