"""Templates, and affine registration to one."""

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
from flame.preprocessing.stages.linear_registration import Kind
from flame.preprocessing.stages.registration import REGISTRATIONS
from flame.preprocessing.stages.stage import STAGES, Estimate, Stage, brain_of, reference

Source = tuple[NDArray[np.float32], NDArray[np.uint8], NDArray[np.float64], str]
"""T1, brain mask, affine and hash of a template's file."""
MNI152 = "MNI152NLin2009aSym"


@dataclass(frozen=True, eq=False)
class Template:
    """Skull-stripped T1 (float32) and brain mask (uint8) on one grid, RAS+ affine in mm.

    ``space`` is its name in BIDS file names, ``digest`` the hash of its source.
    """

    t1: NDArray[np.float32]
    brain: NDArray[np.uint8]
    affine: NDArray[np.float64]
    space: str
    digest: str


def template(path: str = "", space: str = MNI152, spacing: float = 2.0) -> Template:
    """MNI ICBM 2009a symmetric (Fonov 2011), or the skull-stripped T1 in ``path``.

    Resampled to ``spacing`` mm; 0 keeps the grid of a file, such as SRI24 as BraTS uses it.
    """
    try:
        found = Path(path).stat() if path else None
    except OSError as error:
        raise BadInput(f"{path} is no readable NIfTI image; give a skull-stripped T1") from error
    return _template(path, space, spacing, (found.st_mtime_ns, found.st_size) if found else ())


@cache
def _template(path: str, space: str, spacing: float, stamp: tuple[int, ...]) -> Template:
    """``stamp`` tells a file from what replaced it."""
    t1, brain, affine, source = _read(Path(path)) if path else _mni152()
    if spacing and not np.allclose(np.linalg.norm(affine[:3, :3], axis=0), spacing):
        grid, shape = coarse_grid(affine, t1.shape, spacing)
        brain = resample_labels(LabelMap(brain, affine), grid, shape).voxels
        t1, affine = resample(t1, affine, grid, shape), grid
    return Template(t1, brain, affine, space, source)


@cache
def _mni152() -> Source:
    """The file that nilearn ships, as ``load_mni152_template`` and ``.._brain_mask`` give it.

    Read here, as importing nilearn takes longer than a registration.
    """
    path = _shipped("t1")
    image = nib.load(path)
    t1 = image.get_fdata(dtype=np.float32)
    t1 /= t1.max()
    return t1, (t1 > 0.2).astype(np.uint8), np.asarray(image.affine, float), content_hash([path])


def _shipped(name: str) -> Path:
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
    """White and grey matter fractions of the MNI152 brain on the grid asked for."""
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
    """Dice of a brain mask, in atlas world space, with the atlas brain."""
    ijk = np.argwhere(atlas.brain) @ atlas.affine[:3, :3].T + atlas.affine[:3, 3]
    inverse = np.linalg.inv(brain.affine)
    index = np.rint(ijk @ inverse[:3, :3].T + inverse[:3, 3]).astype(int)
    inside = ((index >= 0) & (index < brain.voxels.shape)).all(axis=1)
    hits = np.count_nonzero(brain.voxels[tuple(index[inside].T)])
    voxel = abs(np.linalg.det(atlas.affine[:3, :3])) / 1000.0
    return float(2 * hits * voxel / (len(ijk) * voxel + brain.volume))


@STAGES.register("atlas_registration")
def atlas_registration(
    path: str = "", space: str = MNI152, method: str = "flame", kind: Kind = "affine"
) -> Stage:
    """Return a stage that moves all scans and the brain mask into the world of a template.

    Brain to brain; ``kind`` is affine, or rigid as in BraTS. Only affines change; the estimate is
    the 4x4 RAS+ matrix in mm.
    """
    register = REGISTRATIONS[method]

    def estimate(timepoint: Timepoint) -> Estimate:
        inside = brain_of(timepoint, "atlas registration")
        atlas, scan = template(path, space), reference(timepoint)
        stripped = np.where(inside, scan.voxels, 0).astype(np.float32)
        return {"matrix": register(atlas.t1, atlas.affine, stripped, scan.affine, kind)}

    def apply(timepoint: Timepoint, found: Estimate) -> Timepoint:
        matrix = found["matrix"]
        scans = {
            s: v.after("atlas_registration", affine=matrix @ v.affine)
            for s, v in timepoint.scans.items()
        }
        assert timepoint.brain is not None
        brain = replace(timepoint.brain, affine=matrix @ timepoint.brain.affine)
        return replace(timepoint, scans=scans, brain=brain)

    digest = template(path, space).digest
    parameters = {"template": digest, "method": method, "kind": kind}
    return Stage("atlas_registration", apply, estimate, parameters)
