"""DICOM Segmentation (SEG) files to masks, one a segment, so that overlaps are kept."""

from pathlib import Path

import numpy as np

from flame.core.errors import UnreadableImage
from flame.core.imaging import LabelMap
from flame.io.geometry import LPS_TO_RAS


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
