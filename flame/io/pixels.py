"""Pixels of a checked series, as a Scan."""

import warnings

import numpy as np
import pydicom

from flame.core.errors import UnreadableImage
from flame.core.imaging import Scan, Sequence
from flame.io.geometry import Geometry


def read_scan(geometry: Geometry, sequence: Sequence) -> Scan:
    """Read the slices of ``geometry``, each with its own rescale slope and intercept.

    Raises UnreadableImage that names the file where pixels cannot be decoded.
    """
    voxels = np.empty(geometry.shape, np.float32)
    for z, instance in enumerate(geometry.instances):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                dataset = pydicom.dcmread(instance.path, force=True)
                slope = float(dataset.get("RescaleSlope", 1) or 1)
                intercept = float(dataset.get("RescaleIntercept", 0) or 0)
                voxels[:, :, z] = dataset.pixel_array.T * slope + intercept
        except Exception as error:
            reason = f"pixels of {sequence} cannot be decoded ({type(error).__name__})"
            raise UnreadableImage(instance.path, reason) from error
    if not np.isfinite(voxels).all() or np.ptp(voxels) == 0:
        path = geometry.instances[0].path.parent
        raise UnreadableImage(path, f"the volume of {sequence} is constant or not finite")
    return Scan(voxels, geometry.affine, sequence, ("dicom",))
