"""What the slice viewer of a forecast draws: the head, and forecasts, masks and doses on it."""

import base64
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flame.core.imaging import Sequence
from flame.evaluation.pages.forecast import Prediction
from flame.preprocessing.stages.interpolation import resample

_HEAD_MM = 2.0
"""Voxel size of the images in mm."""
ISODOSES = (0.95, 0.8, 0.5, 0.2)
"""Isodose lines, as shares of the highest dose in the tumour."""

Grid = tuple[NDArray[np.float64], tuple[int, ...]]


def viewer_data(prediction: Prediction) -> dict[str, Any]:
    """Collect the volumes of the viewer: bytes in base64, first axis fastest, RAS+ axes.

    Args:
        prediction: result for the patient.

    Returns:
        ``head`` and ``cube``: grids with ``shape``, ``step`` and ``origin`` (the outer corner of
        the first voxel) in mm. On the head ``images`` by sequence, 0 to 255. On the cube
        ``tumour``, ``later`` masks by day, ``probability`` by radiation and day, and ``dose`` by
        radiation, as a share of ``full``, the highest dose within the tumour in Gy.
    """
    case = prediction.case
    head = _head(prediction)
    doses = {r: d for r, d in prediction.doses.items() if d[case.tumour].max() > 0}
    full = max((float(d[case.tumour].max()) for d in doses.values()), default=1.0)
    return {
        "head": _grid(*head),
        "cube": _grid(prediction.affine, case.tumour.shape),
        "images": {str(s): _bytes(v) for s, v in _images(prediction, head).items()},
        "tumour": _bytes(case.tumour * 255),
        "later": {day: _bytes(mask * 255) for day, mask in case.later},
        "probability": {
            str(radiation): {f.day: _bytes(f.probability * 255) for f in forecasts}
            for radiation, forecasts in prediction.forecasts.items()
        },
        "full": full,
        "isodoses": ISODOSES,
        "dose": {
            str(radiation): _bytes(np.clip(dose / full, 0, 1.2) * 200)
            for radiation, dose in doses.items()
        },
    }


def _grid(affine: NDArray[np.float64], shape: tuple[int, ...]) -> dict[str, Any]:
    step = float(affine[0, 0])
    origin = affine[:3, 3] - step / 2
    return {"shape": list(shape), "step": step, "origin": [round(float(v), 3) for v in origin]}


def _head(prediction: Prediction) -> Grid:
    """Return a grid along the world's axes around all that the images and the cube show."""
    side = prediction.case.tumour.shape[0]
    cube = prediction.affine
    corners = [cube[:3, 3] - cube[0, 0] / 2, cube[:3, 3] + cube[0, 0] * (side - 0.5)]
    for scan in prediction.baseline.scans.values():
        shown = np.argwhere(scan.voxels != 0)
        if len(shown):
            box = np.array([shown.min(axis=0), shown.max(axis=0)])
            ends = np.array(np.meshgrid(*box.T)).reshape(3, -1).T
            corners.extend(ends @ scan.affine[:3, :3].T + scan.affine[:3, 3])
    low, high = np.min(corners, axis=0), np.max(corners, axis=0)
    affine = np.diag([_HEAD_MM] * 3 + [1.0])
    affine[:3, 3] = low + _HEAD_MM / 2
    return affine, tuple(int(n) for n in np.ceil((high - low) / _HEAD_MM))


def _images(prediction: Prediction, head: Grid) -> dict[Sequence, NDArray[np.float32]]:
    """Return the images of the baseline on the grid of the head, with grey values from 0 to 255."""
    images = {}
    for sequence in (Sequence.T1C, Sequence.FLAIR):
        scan = prediction.baseline.scans.get(sequence)
        if scan is not None:
            voxels = resample(scan.voxels, scan.affine, *head)
            low, high = np.quantile(scan.voxels[scan.voxels != 0], [0.01, 0.995])
            grey = np.clip((voxels - low) / (high - low), 0, 1) * 255
            images[sequence] = np.where(voxels == 0, 0, grey).astype(np.float32)
    return images


def _bytes(volume: NDArray[Any]) -> str:
    return base64.b64encode(np.rint(volume).astype(np.uint8).tobytes(order="F")).decode()
