"""Pixels of a checked series, as a Scan."""

import warnings

import numpy as np
import pydicom

from flame.core.errors import BadInput
from flame.core.imaging import Scan, Sequence
from flame.io.geometry import Geometry


def read_scan(geometry: Geometry, sequence: Sequence) -> Scan:
    """Read the slices of ``geometry``, each with its own rescale slope and intercept.

    Raises BadInput that names the file where pixels cannot be decoded.
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
            raise BadInput(
                f"{instance.path}: pixels cannot be decoded ({type(error).__name__}); "
                "export the series again or remove the file"
            ) from error
    if not np.isfinite(voxels).all() or np.ptp(voxels) == 0:
        raise BadInput(f"{geometry.instances[0].path.parent}: the volume is constant or not finite")
    return Scan(voxels, geometry.affine, sequence, ("dicom",))
