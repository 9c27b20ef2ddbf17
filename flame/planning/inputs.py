"""What a plan starts from: the planning CT of a patient, the target and the brain."""

from dataclasses import dataclass
from datetime import date
from pathlib import Path

import nibabel as nib
import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError
from scipy.ndimage import distance_transform_edt

from flame.core.errors import BadInput, UnreadableImage
from flame.core.imaging import LabelMap
from flame.core.treatment import courses
from flame.io.dicom.instances import Instance, read_dataset
from flame.io.dicom.planning_ct import PlanningCt, planning_cts, read_hounsfield
from flame.io.dicom.radiotherapy import read_radiotherapy
from flame.io.dicom.region_names import CTV, region_of
from flame.io.dicom.structures import read_region, regions
from flame.io.tumour_masks import CORE
from flame.preprocessing.stages.interpolation import resample

VOXEL_MM = 3.0
"""Side of a voxel of the grid on which plans are made."""
TARGET_MM = 15.0
"""Margin from the gross tumour to the target where none is drawn (Niyazi 2023,
10.1016/j.radonc.2023.109663), within the brain."""
_BRAIN = "Brain"


@dataclass(frozen=True, eq=False)
class PlanningInputs:
    """What a plan starts from.

    Args:
        ct: CT (x, y, z) in HU.
        masks: masks (x, y, z) by name: ``ctv`` and ``brain``.
        affine: RAS+ affine (4, 4) in mm, with x and y reversed, as the axes of DICOM are.
        header: header of a slice of the CT.
        start: first day of radiotherapy as plans and records tell it, or else that of the CT.
        replaced: files that a new plan replaces: plans, doses and treatment records, as real paths.
    """

    ct: NDArray[np.float32]
    masks: dict[str, NDArray[np.bool_]]
    affine: NDArray[np.float64]
    header: Dataset
    start: date
    replaced: frozenset[Path]

    def write(self, folder: Path) -> None:
        """Write CT and masks as NIfTI, as ``pyradplan.py`` reads them."""
        nib.save(nib.Nifti1Image(self.ct, self.affine), folder / "ct.nii.gz")
        for name, mask in self.masks.items():
            image = nib.Nifti1Image(mask.astype(np.uint8), self.affine)
            nib.save(image, folder / f"{name}.nii.gz")


def planning_inputs(folder: Path) -> PlanningInputs:
    """Read CT and contours of a patient.

    Args:
        folder: folder of one patient's DICOM files.

    Returns:
        CT and masks on a grid of VOXEL_MM.

    Raises:
        BadInput: there are several patients, courses or clinical targets, no CT, or no contour of a
            target and of the brain.
    """
    instances = _instances(folder)
    patients = {str(i.header.get("PatientID")) for i in instances}
    if len(patients) != 1:
        raise BadInput(f"{folder} holds {len(patients)} patients; give the folder of one")
    ct, drawn = _ct_and_regions(folder, instances)
    assert ct.geometry is not None
    affine, shape = _grid(ct.geometry.affine, ct.geometry.shape)
    hu = resample(read_hounsfield(ct.geometry) + 1000, ct.geometry.affine, affine, shape) - 1000

    def mask(name: str) -> NDArray[np.bool_]:
        parts = [
            resample(region.voxels.astype(np.float32), region.affine, affine, shape) > 0.5
            for region in drawn[name]
        ]
        return np.asarray(np.any(parts, axis=0), bool)

    brain = mask(_BRAIN)
    if len(drawn.get(CTV, [])) > 1:
        raise BadInput(f"{folder} has several CTVs; leave the one to plan on")
    if CTV in drawn:
        target = mask(CTV)
    else:
        target = (distance_transform_edt(~mask(CORE)) * VOXEL_MM <= TARGET_MM) & brain
    chosen = ct.geometry.slices[0].path
    header = next(i.header for i in instances if i.path == chosen)
    given = read_radiotherapy(instances)
    if given.treatment and len(courses(given.treatment)) > 1:
        raise BadInput(f"{folder} holds several courses; leave the plans of one of them")
    start = given.start or ct.day
    if start is None:
        raise BadInput(f"{folder}: neither a plan nor the CT has a date")
    gone = {"RTPLAN", "RTDOSE", "RTRECORD"}
    replaced = frozenset(i.path.resolve() for i in instances if i.header.get("Modality") in gone)
    masks = {"ctv": target, "brain": brain}
    return PlanningInputs(hu.astype(np.float32), masks, affine, header, start, replaced)


def _instances(folder: Path) -> list[Instance]:
    found = []
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        try:
            found.append(Instance(path, read_dataset(path, pixels=False)))
        except (InvalidDicomError, OSError, EOFError):
            continue
    return [i for i in found if i.header.get("Modality")]


def _ct_and_regions(
    folder: Path, instances: list[Instance]
) -> tuple[PlanningCt, dict[str, list[LabelMap]]]:
    """Return the CT on which a target and the brain are drawn, and the regions by name."""
    cts = [c for c in planning_cts(instances) if c.geometry is not None]
    if not cts:
        raise BadInput(f"{folder} holds no planning CT; plans need one")
    missing = {_BRAIN, CTV}
    for ct in cts:
        drawn = _regions(instances, ct.frame)
        missing = {n for n in (_BRAIN, CTV) if n not in drawn} - ({CTV} if CORE in drawn else set())
        if not missing:
            return ct, drawn
    lacking = " and ".join(sorted(missing))
    raise BadInput(f"{folder}: no contour of {lacking} on the CT; draw a CTV or GTV, and the brain")


def _regions(instances: list[Instance], frame: str) -> dict[str, list[LabelMap]]:
    drawn: dict[str, list[LabelMap]] = {}
    for instance in instances:
        if instance.header.get("Modality") != "RTSTRUCT":
            continue
        for number, name in regions(instance.header):
            region = region_of(name)
            if region in (CTV, CORE, _BRAIN):
                try:
                    found = read_region(instance.path, number, frame)
                except UnreadableImage:
                    continue  # of another frame, or empty
                drawn.setdefault(str(region), []).append(found)
    return drawn


def _grid(
    affine: NDArray[np.float64], shape: tuple[int, ...]
) -> tuple[NDArray[np.float64], tuple[int, ...]]:
    """Return a grid of VOXEL_MM around an image, with the axes of DICOM."""
    corners = np.array(np.meshgrid(*[(0, n - 1) for n in shape])).reshape(3, -1).T
    world = corners @ affine[:3, :3].T + affine[:3, 3]
    low, high = world.min(axis=0), world.max(axis=0)
    made = np.diag([-VOXEL_MM, -VOXEL_MM, VOXEL_MM, 1.0])
    made[:3, 3] = high[0], high[1], low[2]
    return made, tuple(int(n) for n in np.ceil((high - low) / VOXEL_MM) + 1)
