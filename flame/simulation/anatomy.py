"""Simulated heads: tissue fractions of the MNI152 brain with skull and scalp around it."""

from dataclasses import dataclass, field
from functools import cache

import numpy as np
from nilearn import datasets
from numpy.typing import NDArray
from scipy.ndimage import binary_closing, distance_transform_edt, gaussian_filter, map_coordinates

TISSUES = ("csf", "grey", "white", "bone", "marrow", "muscle", "fat")
"""Tissues of a head, in the order of the first axis of ``Head.tissues``."""
SPACING = 2
"""Voxel size of the anatomical grid in mm, isotropic, axes RAS+."""
_PADDING = ((10, 10), (10, 10), (16, 8))
"""Voxels added before and after each axis, as space for skull, scalp and neck."""

Volume = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Head:
    """A head on the anatomical grid.

    Args:
        tissues: fractions 0 to 1 (tissue, x, y, z), in the order of ``TISSUES``.
        brain: brain mask (x, y, z).
        affine: 4x4 matrix from voxel indices to millimetres in RAS+ world space.
        to_template: RAS+ matrix (4, 4) in mm to the template, without the warp.
    """

    tissues: NDArray[np.float32]
    brain: NDArray[np.bool_]
    affine: NDArray[np.float64]
    to_template: NDArray[np.float64] = field(default_factory=lambda: np.eye(4))


@cache
def template_head() -> Head:
    """Build the MNI152 head at 2 mm.

    The tissue of the brain is that of the template. Bone, marrow, muscle and fat are layers around
    the brain.

    Returns:
        Head with tissue fractions, brain mask and affine on the anatomical grid.
    """

    def load(name: str) -> NDArray[np.float32]:
        image = getattr(datasets, f"load_mni152_{name}")(resolution=SPACING)
        return np.asarray(np.pad(image.get_fdata(dtype=np.float32), _PADDING))

    brain = load("brain_mask") > 0.5
    grey = load("gm_template") * brain
    white = load("wm_template") * brain
    csf = np.clip(1 - grey - white, 0, 1) * brain
    outside = distance_transform_edt(~binary_closing(brain, iterations=4)) * SPACING

    def layer(inner: float, outer: float) -> NDArray[np.float32]:
        """Return the voxels at a distance in mm between two limits from the brain."""
        shell = (outside > inner) & (outside <= outer)
        return np.asarray(gaussian_filter(shell.astype(np.float32), 0.5))

    skull = layer(2, 8)
    marrow = layer(4, 6)
    fat = layer(10, 14)
    muscle = np.maximum(layer(8, 10), _neck(brain.shape, outside))
    parts = [csf + layer(0, 2), grey, white, np.maximum(skull - marrow, 0), marrow, muscle, fat]
    affine = np.array(datasets.load_mni152_brain_mask(resolution=SPACING).affine, float)
    affine[:3, 3] -= SPACING * np.array([before for before, _ in _PADDING])
    return Head(np.stack(parts).astype(np.float32), brain, affine)


def _neck(shape: tuple[int, ...], outside: NDArray[np.float64]) -> NDArray[np.float32]:
    """Return a column of muscle (x, y, z) below the head; ``outside`` is the distance in mm."""
    i, j, k = np.indices(shape)
    column = (i - shape[0] // 2) ** 2 + (j - 0.42 * shape[1]) ** 2 < 26**2
    return np.asarray(column & (k < 24) & (outside > 8), np.float32)


def warped_head(rng: np.random.Generator) -> Head:
    """Simulate the head of a patient by scaling and warping the template.

    The template is scaled by 0.86 to 0.98 along each axis. The warp is a smooth random displacement
    with a standard deviation of 1 to 2.5 mm.

    Args:
        rng: random numbers of the patient.

    Returns:
        Head on the anatomical grid.
    """
    head = template_head()
    shape = head.brain.shape
    scale = rng.uniform(0.86, 0.98, 3)
    centre = (np.array(shape) - 1) / 2
    grid = np.indices(shape, dtype=np.float32)
    coordinates = np.empty_like(grid)
    for axis in range(3):
        field = gaussian_filter(rng.normal(size=[n // 4 + 1 for n in shape]), 3)
        field *= rng.uniform(1.0, 2.5) / field.std() / SPACING
        smooth = map_coordinates(field, grid / 4, order=1, mode="nearest")
        coordinates[axis] = (grid[axis] - centre[axis]) / scale[axis] + centre[axis] + smooth
    tissues = np.stack([map_coordinates(t, coordinates, order=1) for t in head.tissues])
    brain = map_coordinates(head.brain.astype(np.float32), coordinates, order=1) > 0.5
    to_grid = np.eye(4)  # from voxels of the patient to voxels of the template
    to_grid[:3, :3] = np.diag(1 / scale)
    to_grid[:3, 3] = centre - centre / scale
    to_template = head.affine @ to_grid @ np.linalg.inv(head.affine)
    return Head(tissues.astype(np.float32), brain, head.affine, to_template)
