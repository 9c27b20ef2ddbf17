"""Reads RT Dose files as one dose grid in Gy."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from scipy.ndimage import affine_transform

from flame.core.errors import UnreadableImage
from flame.core.imaging import DoseMap
from flame.io.dicom.geometry import LPS_TO_RAS
from flame.io.dicom.instances import numbers, read_dataset
from flame.io.dicom.radiotherapy import RT_PLAN
from flame.io.dicom.stacks import STEP_SPREAD

Plans = Mapping[str, frozenset[str]]
"""BeamNumber (300A,00C0) of the treatment beams, by SOPInstanceUID of the plan."""


def read_dose(paths: list[Path], treated: Plans | None = None) -> DoseMap:
    """Read the dose of a whole course, summed over its plans on the grid of the first one.

    A sum over plans (DoseSummationType MULTI_PLAN) is used if one exists. Otherwise each plan
    counts with its own dose (PLAN), or else with the sum over its beams (BEAM), which must be
    complete. A physical dose of a photon plan also counts as RBE-weighted, as its RBE is 1.

    Args:
        paths: RT Dose files; copies of one SOP instance count once.
        treated: the treated plans, see ``treated_plans``. Doses of other plans, such as rejected
            alternatives, are ignored. If it is empty or None, the treated plans are unknown. Then
            only a MULTI_PLAN dose or the PLAN dose of a single plan is accepted.

    Returns:
        Dose with float32 voxels (x, y, z) in Gy and an RAS+ affine in mm.

    Raises:
        UnreadableImage: the doses do not form one course, or a file has no valid unit, scaling,
            geometry or pixels.
    """
    unique: dict[str, tuple[Path, Dataset]] = {}
    for path in paths:
        header = read_dataset(path, pixels=False)
        unique.setdefault(str(header.get("SOPInstanceUID")), (path, header))
    parts = _whole_course(list(unique.values()), treated or {})
    weighted = {_biological(header) for _, header in parts} - {None}
    if len(weighted) > 1:
        raise UnreadableImage(
            parts[0][0], "physical and RBE-weighted doses of one course cannot be summed"
        )
    first, *others = [_read(path, header) for path, header in parts]
    total = first.voxels.copy()
    for dose in others:
        pull = np.linalg.inv(dose.affine) @ first.affine
        total += affine_transform(
            dose.voxels, pull[:3, :3], pull[:3, 3], output_shape=total.shape, order=1
        )
    return DoseMap(total, first.affine, biological=weighted == {True})


def _whole_course(doses: list[tuple[Path, Dataset]], treated: Plans) -> list[tuple[Path, Dataset]]:
    """Return the doses that add up to the course: of each treated plan, or of its beams."""
    sums = [part for part in doses if part[1].get("DoseSummationType") == "MULTI_PLAN"]
    if len(sums) > 1:
        raise UnreadableImage(
            sums[1][0], "two RT Doses have DoseSummationType (3004,000A) MULTI_PLAN; keep one"
        )
    if sums:
        return sums
    plans: dict[str, dict[str, list[tuple[Path, Dataset]]]] = {}
    for path, header in doses:
        kind = str(header.get("DoseSummationType", ""))
        if kind in ("PLAN", "BEAM"):
            plans.setdefault(_plan(header), {}).setdefault(kind, []).append((path, header))
    if not plans:
        raise UnreadableImage(
            doses[0][0], "no dose of a plan or of a beam (DoseSummationType, 3004,000A)"
        )
    if treated:
        plans = {uid: kinds for uid, kinds in plans.items() if uid in treated}
        if not plans:
            raise UnreadableImage(doses[0][0], "no dose of a plan that was treated")
    elif len(plans) > 1:
        raise UnreadableImage(
            doses[0][0],
            "doses of several plans, but no RT Plan shows which were treated; add these",
        )
    return [part for uid, kinds in plans.items() for part in _of_plan(kinds, treated.get(uid))]


def _of_plan(
    kinds: dict[str, list[tuple[Path, Dataset]]], planned: frozenset[str] | None
) -> list[tuple[Path, Dataset]]:
    """Return the PLAN dose of one plan, or its BEAM doses, which must cover the planned beams."""
    parts = kinds.get("PLAN") or kinds["BEAM"]
    beams = [_beam(header) for _, header in parts]
    if "PLAN" not in kinds and planned is None:
        raise UnreadableImage(
            parts[0][0], "doses of beams, but no RT Plan shows how many there are; add it"
        )
    if "PLAN" not in kinds and planned and planned - set(beams):
        present = len(planned & set(beams))
        raise UnreadableImage(parts[0][0], f"doses of {present} of the plan's {len(planned)} beams")
    if len(set(beams)) < len(parts):
        raise UnreadableImage(parts[1][0], "two doses for one plan or beam; keep one of them")
    return parts


def _plan(header: Dataset) -> str:
    plans = header.get("ReferencedRTPlanSequence") or []
    return str(plans[0].get("ReferencedSOPInstanceUID", "")) if plans else ""


def _beam(header: Dataset) -> str:
    for plan in header.get("ReferencedRTPlanSequence") or []:
        for group in plan.get("ReferencedFractionGroupSequence") or []:
            for beam in group.get("ReferencedBeamSequence") or []:
                return str(beam.get("ReferencedBeamNumber", ""))
    return ""


def _biological(header: Dataset) -> bool | None:
    """Return whether the dose is RBE-weighted; None for photons, where both doses are equal."""
    if str(header.get("DoseType", "PHYSICAL")) == "EFFECTIVE":
        return True
    plans = header.get("ReferencedRTPlanSequence") or []
    photon = plans and str(plans[0].get("ReferencedSOPClassUID")) == RT_PLAN
    return None if photon else False


def _read(path: Path, header: Dataset) -> DoseMap:
    if header.get("DoseUnits") != "GY":
        raise UnreadableImage(path, "the dose is not in Gy (DoseUnits, 3004,0002)")
    scaling = numbers(header, "DoseGridScaling")
    if not scaling or not scaling[0] > 0:
        raise UnreadableImage(path, "no dose grid scaling above 0 (DoseGridScaling, 3004,000E)")
    try:
        stored = read_dataset(path).pixel_array
    except Exception as error:
        reason = f"the dose cannot be decoded ({type(error).__name__})"
        raise UnreadableImage(path, reason) from error
    affine, order = _grid(path, header)
    planes = stored if stored.ndim == 3 else stored[None]
    if len(planes) != len(order):
        raise UnreadableImage(
            path,
            "the offsets in GridFrameOffsetVector do not fit the number of frames",
        )
    planes = planes[order]
    return DoseMap((planes.T * scaling[0]).astype(np.float32), affine, biological=False)


def _grid(path: Path, header: Dataset) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    """Return the RAS+ affine of a dose grid, and the order of its frames along the slice axis."""
    cosines = np.array(numbers(header, "ImageOrientationPatient"))
    origin = np.array(numbers(header, "ImagePositionPatient"))
    spacing = np.array(numbers(header, "PixelSpacing"))
    offsets = np.array(numbers(header, "GridFrameOffsetVector"))
    if len(cosines) != 6 or len(origin) != 3 or len(spacing) != 2 or len(offsets) < 2:
        raise UnreadableImage(
            path,
            "the position, orientation, pixel spacing or frame offsets are missing "
            "(ImagePositionPatient, ImageOrientationPatient, PixelSpacing, GridFrameOffsetVector)",
        )
    row, column = cosines.reshape(2, 3)
    normal = np.cross(row, column)
    if abs(offsets[0]) > 1e-6:  # absolute: z of the planes of an axial dose (PS3.3 C.8.8.3.2)
        if abs(offsets[0] - origin[2]) > 0.01 or abs(abs(normal[2]) - 1) > 1e-4:
            raise UnreadableImage(
                path,
                "the offsets in GridFrameOffsetVector are neither relative nor absolute",
            )
        offsets = (offsets - origin[2]) * normal[2]
    order = np.argsort(offsets, kind="stable")
    steps = np.diff(offsets[order])
    if (steps <= 0).any() or np.ptp(steps) > STEP_SPREAD * np.median(steps):
        raise UnreadableImage(path, "the planes of the dose are not evenly spaced")
    lps = np.eye(4)
    lps[:3, 0] = row * spacing[1]
    lps[:3, 1] = column * spacing[0]
    lps[:3, 2] = normal * steps.mean()
    lps[:3, 3] = origin + normal * offsets[order[0]]
    return LPS_TO_RAS @ lps, order
