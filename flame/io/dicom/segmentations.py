"""DICOM Segmentation (SEG) files to masks and back, one a segment, so that overlaps are kept."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pydicom

from flame import __version__
from flame.core.errors import BadInput, UnreadableImage
from flame.core.imaging import LabelMap
from flame.io.dicom.geometry import LPS_TO_RAS, Geometry


def read_segments(path: Path, frame_of_reference: str) -> dict[str, LabelMap]:
    """Return each segment as a mask with an RAS+ affine in mm, by its label.

    Raises UnreadableImage for another frame of reference than that of the images, and for frames
    that are no regular stack.
    """
    import highdicom  # slow to import, and few days have a segmentation

    try:
        found = highdicom.seg.segread(path)
    except Exception as error:
        reason = f"the segmentation cannot be read ({type(error).__name__})"
        raise UnreadableImage(path, reason) from error
    if str(found.get("FrameOfReferenceUID", "")) != frame_of_reference:
        raise UnreadableImage(path, "its frame of reference is not that of the images")
    masks = {}
    for number in found.segment_numbers:
        label = str(found.get_segment_description(number).segment_label)
        try:
            volume = found.get_volume(segment_numbers=[number], rescale_fractional=True)
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


def write_segments(
    path: Path, geometry: Geometry, masks: Mapping[str, LabelMap], description: str
) -> None:
    """Write masks on the grid of a series, one a segment, as a SEG that refers to its images.

    The file carries the patient's identity, as its images do.
    """
    import highdicom
    from highdicom.sr.coding import Code
    from pydicom.sr.codedict import codes

    images = [_image(p) for p in dict.fromkeys(s.path for s in geometry.slices)]
    frames = int(images[0].get("NumberOfFrames", 1)) if len(images) == 1 else len(images)
    if frames != len(geometry.slices):
        raise BadInput(f"{geometry.slices[0].path.parent}: no SEG of a part of a multi-frame file")
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
    if len(images) == 1 and geometry.slices[0].frame is not None:  # in the order of its frames
        stacked = stacked[np.argsort([s.frame or 0 for s in geometry.slices])]
    found = highdicom.seg.Segmentation(
        images,
        (stacked > 0).astype(np.uint8),
        highdicom.seg.SegmentationTypeValues.BINARY,
        segments,
        highdicom.UID(),
        9000,
        highdicom.UID(),
        1,
        "FLAME",
        "flame predict",
        __version__,
        "none",
        series_description=description[:64],
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    found.save_as(path)


def _image(path: Path) -> pydicom.Dataset:
    """An image with the attributes that a SEG copies, empty where an export has lost them."""
    image = pydicom.dcmread(path)
    for keyword in _COPIED:
        if keyword not in image:
            setattr(image, keyword, None)
    return image
