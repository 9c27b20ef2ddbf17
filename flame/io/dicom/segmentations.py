"""Reads and writes DICOM Segmentation (SEG) files, one mask for each segment; masks may overlap."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pydicom

from flame.core.errors import BadInput, UnreadableImage
from flame.core.imaging import LabelMap
from flame.core.version import __version__
from flame.io.dicom.geometry import LPS_TO_RAS, Geometry
from flame.io.dicom.instances import read_dataset


def read_segments(path: Path, frame_of_reference: str) -> dict[str, LabelMap]:
    """Read the segments of a SEG file as masks.

    Args:
        path: the SEG file.
        frame_of_reference: FrameOfReferenceUID (0020,0052) of the images.

    Returns:
        Binary masks by SegmentLabel (0062,0005), with axes in voxel order and an RAS+ affine in mm.
        A repeated label is followed by the segment number. A fractional segment is thresholded at
        one half.

    Raises:
        UnreadableImage: the file cannot be read, has another frame of reference, or its frames are
            not a regular stack.
    """
    import highdicom  # slow to import, and few examinations have a SEG

    try:
        segmentation = highdicom.seg.segread(path)
    except Exception as error:
        reason = f"the segmentation cannot be read ({type(error).__name__})"
        raise UnreadableImage(path, reason) from error
    if str(segmentation.get("FrameOfReferenceUID", "")) != frame_of_reference:
        raise UnreadableImage(path, "its frame of reference is not that of the images")
    masks = {}
    for number in segmentation.segment_numbers:
        label = str(segmentation.get_segment_description(number).segment_label)
        try:
            volume = segmentation.get_volume(segment_numbers=[number], rescale_fractional=True)
        except Exception as error:
            reason = f"its frames are no regular stack ({type(error).__name__})"
            raise UnreadableImage(path, reason) from error
        array = np.asarray(volume.array)[..., 0] if volume.array.ndim == 4 else volume.array
        masks[f"{label} {number}" if label in masks else label] = LabelMap(
            (array > 0.5).astype(np.uint8), LPS_TO_RAS @ np.asarray(volume.affine, float)
        )
    return masks


_COPIED = (
    "AccessionNumber",
    "PatientBirthDate",
    "PatientID",
    "PatientName",
    "PatientSex",
    "ReferringPhysicianName",
    "SliceThickness",
    "StudyDate",
    "StudyID",
    "StudyTime",
)
"""Keywords of the attributes that a SEG copies from its images."""


def write_segments(
    path: Path, geometry: Geometry, masks: Mapping[str, LabelMap], description: str
) -> None:
    """Write masks as a SEG file that refers to the images of a series, one segment for each mask.

    The file contains the identity of the patient, as the images do.

    Args:
        path: file to write; its folder is created if it does not exist.
        geometry: geometry of the series.
        masks: binary masks by segment label, on the grid of the series.
        description: SeriesDescription (0008,103E); cut to 64 characters.

    Raises:
        BadInput: the series is only a part of a multi-frame file.
    """
    import highdicom
    from highdicom.sr.coding import Code
    from pydicom.sr.codedict import codes

    images = [_image(p) for p in dict.fromkeys(s.path for s in geometry.slices)]
    frames = int(images[0].get("NumberOfFrames", 1)) if len(images) == 1 else len(images)
    if frames != len(geometry.slices):
        raise BadInput(
            f"{geometry.slices[0].path}: the series is only a part of this multi-frame file, so no "
            "SEG can refer to it; export the part as a series of its own"
        )
    algorithm = highdicom.AlgorithmIdentificationSequence(
        "FLAME", Code("123110", "DCM", "Artificial Intelligence"), __version__
    )
    segments = [
        highdicom.seg.SegmentDescription(
            number,
            label[:64],
            codes.SCT.MorphologicallyAbnormalStructure,
            codes.SCT.Neoplasm,
            highdicom.seg.SegmentAlgorithmTypeValues.AUTOMATIC,
            algorithm,
        )
        for number, label in enumerate(masks, 1)
    ]
    stacked = np.stack([m.voxels.transpose(2, 1, 0) for m in masks.values()], axis=-1)
    if len(images) == 1 and geometry.slices[0].frame is not None:
        # The masks follow the order of the frames in the file, not that of the slices.
        stacked = stacked[np.argsort([s.frame or 0 for s in geometry.slices])]
    segmentation = highdicom.seg.Segmentation(
        source_images=images,
        pixel_array=(stacked > 0).astype(np.uint8),
        segmentation_type=highdicom.seg.SegmentationTypeValues.BINARY,
        segment_descriptions=segments,
        series_instance_uid=highdicom.UID(),
        series_number=9000,
        sop_instance_uid=highdicom.UID(),
        instance_number=1,
        manufacturer="FLAME",
        manufacturer_model_name="flame predict",
        software_versions=__version__,
        device_serial_number="none",
        series_description=description[:64],
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    segmentation.save_as(path)


def _image(path: Path) -> pydicom.Dataset:
    """Read an image, and add missing attributes that a SEG copies, with an empty value."""
    image = read_dataset(path)
    for keyword in _COPIED:
        if keyword not in image:
            setattr(image, keyword, None)
    return image
