"""Templates, and the stage that registers a day to one of them."""

import importlib.util
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import nibabel as nib
import numpy as np
from nibabel.filebasedimages import ImageFileError
from numpy.typing import NDArray
from scipy.ndimage import binary_fill_holes

from flame.core.cohort import Timepoint
from flame.core.errors import BadInput
from flame.core.files import content_hash
from flame.core.imaging import LabelMap
from flame.preprocessing.stages.interpolation import coarse_grid, resample, resample_labels
from flame.preprocessing.stages.linear_registration import Matrix
from flame.preprocessing.stages.patient_registration import ReferenceDay
from flame.preprocessing.stages.registration import REGISTRATIONS
from flame.preprocessing.stages.stage import (
    STAGES,
    Estimate,
    Place,
    Stage,
    brain_of,
    moved,
    reference,
)

Source = tuple[NDArray[np.float32], NDArray[np.uint8], NDArray[np.float64], str]
"""T1 (x, y, z), brain mask (x, y, z), affine (4, 4) and content hash of a template's file."""
MNI152 = "MNI152NLin2009aSym"
"""BIDS name of the default template's space."""


@dataclass(frozen=True, eq=False)
class Template:
    """Skull-stripped T1 and its brain mask on one grid.

    Args:
        t1: intensities (x, y, z).
        brain: brain mask (x, y, z), 0 and 1.
        affine: RAS+ affine (4, 4) in mm.
        space: name of the template in BIDS file names.
        digest: content hash of its source file.
    """

    t1: NDArray[np.float32]
    brain: NDArray[np.uint8]
    affine: NDArray[np.float64]
    space: str
    digest: str


def template(path: str = "", space: str = MNI152, spacing: float = 2.0) -> Template:
    """Load a template: MNI ICBM 2009a symmetric, or a skull-stripped T1 from a file.

    Args:
        path: NIfTI file of a skull-stripped T1; empty: MNI ICBM 2009a symmetric.
        space: name of the template in BIDS file names.
        spacing: voxel size in mm to which it is resampled; 0 keeps the grid of the file, such as
            SRI24 as BraTS uses it.

    Returns:
        Template with intensities, brain mask and affine on that grid.

    Raises:
        BadInput: the file cannot be read, or shows no brain on an empty background.

    Reference:
        Fonov 2011 (MNI ICBM 2009a).
    """
    try:
        status = Path(path).stat() if path else None
    except OSError as error:
        raise BadInput(f"{path} is no readable NIfTI image; give a skull-stripped T1") from error
    stamp = (status.st_mtime_ns, status.st_size) if status else ()
    return _template(path, space, spacing, stamp)


@cache
def _template(path: str, space: str, spacing: float, stamp: tuple[int, ...]) -> Template:
    """Load a template; ``stamp`` distinguishes a file from one that has replaced it."""
    t1, brain, affine, source = _read(Path(path)) if path else _mni152()
    if spacing and not np.allclose(np.linalg.norm(affine[:3, :3], axis=0), spacing):
        grid, shape = coarse_grid(affine, t1.shape, spacing)
        brain = resample_labels(LabelMap(brain, affine), grid, shape).voxels
        t1 = resample(t1, affine, grid, shape)
        affine = grid
    return Template(t1, brain, affine, space, source)


@cache
def _mni152() -> Source:
    """Read the template that nilearn ships, as its ``load_mni152_template`` does.

    The file is read here because importing nilearn takes longer than a registration.
    """
    path = _shipped("t1")
    image = nib.load(path)
    t1 = image.get_fdata(dtype=np.float32)
    t1 /= t1.max()
    return t1, (t1 > 0.2).astype(np.uint8), np.asarray(image.affine, float), content_hash([path])


def _shipped(name: str) -> Path:
    """Return the path of a map that nilearn ships: t1, wm or gm."""
    (package,) = importlib.util.find_spec("nilearn").submodule_search_locations  # type: ignore
    return Path(package) / f"datasets/data/mni_icbm152_{name}_tal_nlin_sym_09a_converted.nii.gz"


@cache
def _tissue(name: str) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    image = nib.load(_shipped(name))
    voxels = image.get_fdata(dtype=np.float32)
    return voxels / voxels.max(), np.asarray(image.affine, float)


def tissues(
    affine: NDArray[np.float64], shape: tuple[int, ...]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the white and grey matter fractions of the MNI152 brain on a grid.

    Args:
        affine: RAS+ affine (4, 4) of the grid in mm.
        shape: shape (x, y, z) of the grid.

    Returns:
        White and grey matter fractions (x, y, z), 0 to 1.
    """
    return resample(*_tissue("wm"), affine, shape), resample(*_tissue("gm"), affine, shape)


def _read(path: Path) -> Source:
    try:
        image = nib.load(path)
        voxels = np.squeeze(image.get_fdata(dtype=np.float32))
    except (OSError, ImageFileError) as error:
        raise BadInput(f"{path} is no readable NIfTI image; give a skull-stripped T1") from error
    if voxels.ndim != 3:
        raise BadInput(f"{path} has {voxels.ndim} axes; give one volume, a skull-stripped T1")
    inside = binary_fill_holes(voxels > voxels.min())
    if not 0.02 < inside.mean() < 0.6:
        raise BadInput(f"{path} shows no brain on an empty background; give a skull-stripped T1")
    affine = np.asarray(image.affine, float)
    return voxels, inside.astype(np.uint8), affine, content_hash([path])


def overlap(brain: LabelMap, atlas: Template) -> float:
    """Compute the Dice coefficient of a brain mask with the brain of a template.

    Args:
        brain: brain mask in the world space of the template, on any grid, which may be skewed.
        atlas: template.

    Returns:
        Dice coefficient, from 0 (apart) to 1 (equal).

    Example:
        >>> brain = np.ones((2, 2, 2), np.uint8)
        >>> atlas = Template(brain.astype(np.float32), brain, np.eye(4), "example", "")
        >>> overlap(LabelMap(brain, np.eye(4)), atlas)
        1.0
    """
    ijk = np.argwhere(atlas.brain) @ atlas.affine[:3, :3].T + atlas.affine[:3, 3]
    inverse = np.linalg.inv(brain.affine)
    index = np.rint(ijk @ inverse[:3, :3].T + inverse[:3, 3]).astype(int)
    inside = ((index >= 0) & (index < brain.voxels.shape)).all(axis=1)
    hits = np.count_nonzero(brain.voxels[tuple(index[inside].T)])
    voxel = abs(np.linalg.det(atlas.affine[:3, :3])) / 1000.0
    return float(2 * hits * voxel / (len(ijk) * voxel + brain.volume))


def rigid_part(affine: Matrix, centre: NDArray[np.float64]) -> Matrix:
    """Return the movement that is closest to an affine map.

    The rotation is the orthogonal factor of the polar decomposition of the linear part, which is
    the rotation closest to it in the Frobenius norm.

    Args:
        affine: RAS+ matrix (4, 4) in mm that mirrors nothing.
        centre: point (3,) in mm that both maps move to the same place.

    Returns:
        RAS+ matrix (4, 4) in mm of a rotation and a translation.

    Reference:
        Higham 1986, doi:10.1137/0907079.

    Example:
        >>> rigid_part(np.diag([1.2, 1.2, 1.2, 1.0]), np.array([10.0, 0.0, 0.0]))[:3, 3]
        array([2., 0., 0.])
    """
    left, _, right = np.linalg.svd(affine[:3, :3])
    rigid = np.eye(4)
    rigid[:3, :3] = left @ right
    rigid[:3, 3] = affine[:3, :3] @ centre + affine[:3, 3] - rigid[:3, :3] @ centre
    return rigid


def _centre(mask: NDArray[np.bool_], affine: Matrix) -> NDArray[np.float64]:
    """Return the centre of a mask in mm (3); from its projections, which need no list of voxels."""
    axes = range(mask.ndim)
    counts = [mask.sum(axis=tuple(b for b in axes if b != a)) for a in axes]
    index = [count @ np.arange(len(count)) / count.sum() for count in counts]
    return np.asarray(affine[:3, :3] @ index + affine[:3, 3])


@STAGES.register("atlas_registration")
def atlas_registration(
    path: str = "",
    space: str = MNI152,
    method: str = "flame",
    day: ReferenceDay | None = None,
) -> Stage:
    """Build the stage that turns all scans and the brain mask like a template.

    The masked reference scan is registered to the template by an affine map. The scans are moved by
    its rigid part only, so that they keep the patient's size. The rest of the map is kept with
    the day, as it leads to the template and its tissue maps. A day that was moved onto a reference
    day before takes over both. Only affines change.

    Args:
        path: NIfTI file of a skull-stripped T1; empty: MNI ICBM 2009a symmetric.
        space: name of the template in BIDS file names.
        method: name in REGISTRATIONS.
        day: reference day onto which the day was moved; None: the day itself is registered.

    Returns:
        Stage whose estimate are RAS+ matrices (4, 4) in mm: ``matrix`` from the day's world to the
        patient's turned world, and ``to_template`` from there to the world of the template.

    Raises:
        BadInput: the template cannot be read or the method is unknown.
    """
    register = REGISTRATIONS[method]

    def estimate(timepoint: Timepoint) -> Estimate:
        inside = brain_of(timepoint, "atlas registration")
        if day is not None:
            return day.load()[1]
        atlas = template(path, space)
        scan = reference(timepoint)
        stripped = np.where(inside, scan.voxels, np.float32(0))
        affine = register(atlas.t1, atlas.affine, stripped, scan.affine, "affine")
        rigid = rigid_part(affine, _centre(inside, scan.affine))
        return {"matrix": rigid, "to_template": affine @ np.linalg.inv(rigid)}

    def apply(timepoint: Timepoint, arrays: Estimate) -> Timepoint:
        turned = moved(timepoint, "atlas_registration", arrays["matrix"])
        return replace(turned, template=space, to_template=arrays["to_template"])

    digest = template(path, space).digest
    parameters = {"template": digest, "method": method, "kept": "rigid"}
    needs = ("bias_field", "coregistration", "brain_extraction", "patient_registration")
    return Stage("atlas_registration", apply, Place.TEMPLATE, estimate, parameters, needs)
