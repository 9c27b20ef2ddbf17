"""Brain-Tumor-Progression as TCIA publishes it: DICOM, with the masks as secondary captures.

``PGBM-001/04-02-1992-.../11.000000-T1post-03326/1-01.dcm``, with one folder per series. The masks
are images of zeros and ones on the slices of T1post. Readers of secondary captures ignore their
geometry, so that it is taken from T1post.
"""

import re
from collections import defaultdict
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import numpy as np
from pydicom.errors import InvalidDicomError

from flame.core.errors import BadInput
from flame.core.imaging import Sequence
from flame.io.datasets.layout import Visit
from flame.io.dicom.dates import first_date
from flame.io.dicom.geometry import LPS_TO_RAS, Geometry, check_geometry
from flame.io.dicom.instances import Instance, numbers, read_dataset, whole_number
from flame.io.dicom.series import group_series
from flame.io.nifti import write_nifti

_IMAGE, _MASK = "t1post", "masktumor"
"""Series that are read, in small letters without signs: folders and headers differ in these."""

Days = dict[str, dict[date, dict[str, list[Instance]]]]


def dicom_visits(root: Path, note: str, problems: list[str]) -> list[Visit]:
    """Read the days of the DICOM download; write each mask as NIfTI to the folder ROOT.corrected.

    Args:
        root: folder of the download.
        note: what is special about every mask.
        problems: list to which the days that cannot be used are added, with the reason.

    Returns:
        The days of each patient, counted from the first one; empty without such files.
    """
    visits = []
    for patient, days in sorted(_series(root).items()):
        for number, (day, series) in enumerate(sorted(days.items()), 1):
            try:
                geometry = _stack(series.get(_IMAGE, []))
                mask = root.with_name(f"{root.name}.corrected") / f"{patient}_{number}.nii.gz"
                if series.get(_MASK):
                    _write_mask(mask, series[_MASK], geometry)
            except BadInput as error:
                problems.append(f"{patient}, day {number} of {len(days)}: {error}")
                continue
            visits.append(
                Visit(
                    patient,
                    str(number),
                    (day - min(days)).days,
                    {Sequence.T1C: geometry},
                    tumour=mask if series.get(_MASK) else None,
                    note=note,
                )
            )
    return visits


def _series(root: Path) -> Days:
    """Group the headers of both series by patient, date and kind."""
    days: Days = defaultdict(lambda: defaultdict(lambda: defaultdict(list)))
    for instance in _instances(root):
        kind = _plain(str(instance.header.get("SeriesDescription", "")))
        day = first_date(instance.header, "StudyDate")
        if kind in (_IMAGE, _MASK) and day:
            days[str(instance.header.get("PatientID"))][day][kind].append(instance)
    return days


def _instances(root: Path) -> Iterator[Instance]:
    """Read the headers of the files whose folder has the name of one of both series."""
    for path in sorted(root.glob("**/*.dcm")):
        if any(kind in _plain(path.parent.name) for kind in (_IMAGE, _MASK)):
            try:
                yield Instance(path, read_dataset(path, pixels=False))
            except (InvalidDicomError, OSError) as error:
                raise BadInput(f"{path} is no readable DICOM file; download it again") from error


def _plain(text: str) -> str:
    return re.sub(r"[^a-z0-9]", "", text.lower())


def _stack(instances: list[Instance]) -> Geometry:
    stacks = group_series(instances)
    if len(stacks) != 1:
        raise BadInput(f"{len(stacks)} stacks of T1post instead of one")
    geometry = check_geometry(stacks[0])
    if isinstance(geometry, str):
        raise BadInput(f"T1post: {geometry}")
    return geometry


def _write_mask(path: Path, instances: list[Instance], geometry: Geometry) -> None:
    """Write a mask on the grid of the image, slice by slice."""
    if len(instances) != geometry.shape[2]:
        raise BadInput(f"{len(instances)} masks on {geometry.shape[2]} slices of T1post")
    numbered = _places(instances, geometry)
    voxels = np.zeros(geometry.shape, np.uint8)
    for z, instance in numbered:
        plane = read_dataset(instance.path).pixel_array
        if plane.shape != geometry.shape[1::-1] or not set(np.unique(plane)) <= {0, 1, 255}:
            raise BadInput("a mask that is no image of zeros and ones on the slices of T1post")
        voxels[..., z] = plane.T > 0
    write_nifti(path, voxels, geometry.affine)


def _places(instances: list[Instance], geometry: Geometry) -> list[tuple[int, Instance]]:
    """Find the slice of each mask: by its position, or else by InstanceNumber, as T1post has it."""
    positions = [numbers(i.header, "ImagePositionPatient") for i in instances]
    if all(len(p) == 3 for p in positions):
        lps = np.array([[*p, 1] for p in positions]) @ LPS_TO_RAS.T
        found = (np.linalg.inv(geometry.affine) @ lps.T)[2]
    else:
        order = {
            whole_number(read_dataset(s.path, pixels=False), "InstanceNumber"): z
            for z, s in enumerate(geometry.slices)
        }
        own = [order.get(whole_number(i.header, "InstanceNumber"), -1) for i in instances]
        found = np.array(own, float)
    places = np.rint(found).astype(int)
    inside = (places >= 0) & (places < geometry.shape[2])
    if len(set(places)) < len(places) or not inside.all() or np.abs(found - places).max() > 0.1:
        raise BadInput("masks that do not lie on the slices of T1post")
    return list(zip(places.tolist(), instances, strict=True))
