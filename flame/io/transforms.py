"""Writes and reads affine transforms as ITK text files, the format of ANTs and 3D Slicer."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from flame.core.errors import BadInput

_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])
"""Changes the axes of points from RAS+ to LPS+, and back."""


def itk_text(matrix: NDArray[np.float64]) -> str:
    """Return the text of an ITK transform file for an affine matrix.

    Args:
        matrix: (4, 4) affine map of points from source to target, RAS+ axes in mm.

    Returns:
        Text with the inverse map in LPS axes, from target points to source points, as ITK stores
        it. Resampling with this transform therefore brings the source image onto the target.

    Example:
        >>> import numpy as np
        >>> print(itk_text(np.eye(4)).splitlines()[3])
        Parameters: 1.0 0.0 0.0 0.0 1.0 0.0 0.0 0.0 1.0 0.0 0.0 0.0
    """
    pull = _LPS @ np.linalg.inv(matrix) @ _LPS
    numbers = [*pull[:3, :3].ravel(), *pull[:3, 3]]
    return "\n".join(
        [
            "#Insight Transform File V1.0",
            "#Transform 0",
            "Transform: AffineTransform_double_3_3",
            f"Parameters: {' '.join(repr(float(v)) for v in numbers)}",
            "FixedParameters: 0 0 0",
            "",
        ]
    )


def read_transform(path: Path) -> NDArray[np.float64]:
    """Read an affine transform file that ``itk_text`` wrote.

    Args:
        path: the ITK text file.

    Returns:
        (4, 4) affine map of points from source to target, RAS+ axes in mm.

    Raises:
        BadInput: the file is missing or malformed, or its centre of rotation is not the origin.
    """
    try:
        fields = dict(line.split(": ", 1) for line in path.read_text().splitlines() if ": " in line)
        numbers = np.array(fields["Parameters"].split(), float)
        centre = np.array(fields["FixedParameters"].split(), float)
        if len(numbers) != 12 or centre.any():
            raise ValueError
    except (OSError, ValueError, KeyError) as error:
        raise BadInput(
            f"{path} is no affine transform that FLAME wrote; preprocess this session again"
        ) from error
    pull = np.eye(4)
    pull[:3, :3] = numbers[:9].reshape(3, 3)
    pull[:3, 3] = numbers[9:]
    return np.asarray(np.linalg.inv(_LPS @ pull @ _LPS))
