"""Brain mask by the network deepbet.

Reference:
    Fisch et al. 2024, doi:10.1016/j.compbiomed.2024.108845.
"""

import contextlib
from functools import cache
from typing import Any

import nibabel as nib
import numpy as np
from nibabel.spaces import vox2out_vox
from numpy.typing import NDArray
from scipy.ndimage import find_objects, label

from flame.core.errors import StageFailed
from flame.core.imaging import Scan
from flame.core.processor import native_bfloat16
from flame.preprocessing.stages.bias_field import head_mask
from flame.preprocessing.stages.interpolation import resample


@cache
def _network() -> Any:
    from deepbet.bet import BrainExtraction

    return BrainExtraction(no_gpu=True)


def _autocast() -> Any:
    """Return the context that uses bfloat16 on processors that support it: the Dice is the same."""
    import torch

    if native_bfloat16():
        return torch.autocast("cpu", torch.bfloat16)
    return contextlib.nullcontext()


def _cropped(image: Any, margin: int = 10) -> Any:
    """Crop an image to the head: in a wide field of view the network misses the brain.

    The margin is in voxels.
    """
    objects, _ = label(head_mask(np.ascontiguousarray(image.dataobj[::2, ::2, ::2])))
    sizes = np.bincount(objects.ravel())[1:]
    if not len(sizes):
        raise StageFailed("brain extraction found no head in the image")
    box = find_objects(objects)[int(sizes.argmax())]
    return image.slicer[
        tuple(slice(max(0, 2 * b.start - margin), 2 * b.stop + margin) for b in box)
    ]


def deepbet_brain(scan: Scan) -> NDArray[np.bool_]:
    """Find the brain of a scan by the network deepbet.

    Args:
        scan: whole-head T1 or T1C.

    Returns:
        Brain mask (x, y, z) on the grid of the scan.

    Raises:
        StageFailed: the image shows no head or no brain.
    """
    import torch

    # deepbet interpolates by nearest neighbour, so the mask is smooth only at 1 mm.
    shape, affine = vox2out_vox((scan.voxels.shape, scan.affine), (1.0, 1.0, 1.0))
    voxels = resample(scan.voxels, scan.affine, affine, shape)
    isotropic = _cropped(nib.Nifti1Image(voxels, affine))
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # the mask must not depend on the number of processors
    try:
        with torch.inference_mode(), _autocast():
            _, mask, _ = _network().run(isotropic)
    except (AssertionError, ValueError, RuntimeError, IndexError) as error:
        raise StageFailed("brain extraction found no brain in the image") from error
    finally:
        torch.set_num_threads(threads)
    soft = np.asarray(mask.dataobj, np.float32)
    return resample(soft, mask.affine, scan.affine, scan.voxels.shape) > 0.5
