"""Reads the RT Doses that add up to a course."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset

from flame.core.errors import UnreadableImage
from flame.core.imaging import DoseMap
from flame.io.dicom.dose_grid import no_dose, read_grid
from flame.io.dicom.instances import items, read_dataset
from flame.io.dicom.plan_versions import RT_PLAN
from flame.io.dicom.radiotherapy import GivenDose
from flame.io.dicom.treatment_records import plan_of


@dataclass(frozen=True, eq=False)
class PlanDose:
    """Dose of a plan that was given, or of several in one sum.

    Args:
        dose: dose in Gy on the grid of the file.
        phase: index of its phase in the treatment; None: unknown.
        neutral: whether physical and RBE-weighted dose are the same, as for photons.
        path: the file.
    """

    dose: DoseMap
    phase: int | None
    neutral: bool
    path: Path


def read_doses(paths: list[Path], plans: Mapping[str, GivenDose] | None = None) -> list[PlanDose]:
    """Read the doses that add up to the whole course, each reduced to the fractions given.

    Each plan counts with its own dose (DoseSummationType PLAN), or else with the sum over its beams
    (BEAM), which must be complete. A sum over plans (MULTI_PLAN) is used where the plans have none
    of their own, and it must be the sum over the plans that were given. A physical dose of a photon
    plan also counts as RBE-weighted, as its RBE is 1.

    Args:
        paths: RT Dose files; copies of one SOP instance count once.
        plans: the plans that were given, see ``read_radiotherapy``. Doses of other plans, such as
            rejected alternatives, are ignored. If it is empty or None, these plans are unknown.
            Then only a MULTI_PLAN dose or the PLAN dose of a single plan is accepted.

    Returns:
        Doses with float32 voxels (x, y, z) in Gy and an RAS+ affine in mm.

    Raises:
        UnreadableImage: the doses do not form one course, or a file has no valid type, unit,
            scaling, geometry or pixels.
    """
    unique: dict[str, tuple[Path, Dataset]] = {}
    for path in paths:
        header = read_dataset(path, pixels=False)
        unique.setdefault(str(header.get("SOPInstanceUID")), (path, header))
    plans = plans or {}
    doses = [part for part in unique.values() if not no_dose(part[1])]
    if not doses:
        raise UnreadableImage(paths[0], no_dose(next(iter(unique.values()))[1]))
    found = []
    for path, header in _whole_course(doses, plans):
        known = plans.get(plan_of(header), GivenDose(frozenset()))
        if known.share is None:
            raise UnreadableImage(
                path,
                "the fraction groups of its plan were given in different shares, which the dose of "
                "the plan does not tell apart",
            )
        dose = read_grid(path, header)
        weighted = _biological(header)
        scaled = DoseMap(dose.voxels * np.float32(known.share), dose.affine, weighted is True)
        several = header.get("DoseSummationType") == "MULTI_PLAN"
        phase = None if several else known.phase
        found.append(PlanDose(scaled, phase, weighted is None, path))
    weighted_doses = {part.dose.biological for part in found if not part.neutral}
    if len(weighted_doses) > 1:
        raise UnreadableImage(
            found[0].path, "physical and RBE-weighted doses of one course cannot be summed"
        )
    return found


def _whole_course(
    doses: list[tuple[Path, Dataset]], given: Mapping[str, GivenDose]
) -> list[tuple[Path, Dataset]]:
    """Return the doses that add up to the course: of each plan that was given, or of its beams."""
    plans: dict[str, dict[str, list[tuple[Path, Dataset]]]] = {}
    for path, header in doses:
        kind = str(header.get("DoseSummationType", ""))
        if kind in ("PLAN", "BEAM"):
            plans.setdefault(plan_of(header), {}).setdefault(kind, []).append((path, header))
    sums = [part for part in doses if part[1].get("DoseSummationType") == "MULTI_PLAN"]
    if sums and not (given and given.keys() <= plans.keys()):
        return [_sum_over_plans(sums, given)]
    if not plans:
        raise UnreadableImage(
            doses[0][0], "no dose of a plan or of a beam (DoseSummationType, 3004,000A)"
        )
    if given:
        plans = {uid: kinds for uid, kinds in plans.items() if uid in given}
        if not plans:
            raise UnreadableImage(doses[0][0], "no dose of a plan that was given")
        if missing := len(given.keys() - plans.keys()):
            raise UnreadableImage(
                doses[0][0], f"{missing} of {len(given)} plans has no RT Dose; add it"
            )
    elif len(plans) > 1:
        raise UnreadableImage(
            doses[0][0],
            "doses of several plans, but no RT Plan shows which were given; add these",
        )
    return [
        part
        for uid, kinds in plans.items()
        for part in _of_plan(kinds, given[uid].beams if uid in given else None)
    ]


def _sum_over_plans(
    sums: list[tuple[Path, Dataset]], given: Mapping[str, GivenDose]
) -> tuple[Path, Dataset]:
    """Return the only sum over plans; it must be that of the plans that were given, as planned."""
    fitting = [p for p in sums if not given or set(_plans(p[1])) in (set(), set(given))]
    if len(fitting) > 1:
        raise UnreadableImage(
            fitting[1][0], "two RT Doses have DoseSummationType (3004,000A) MULTI_PLAN; keep one"
        )
    if not fitting:
        raise UnreadableImage(
            sums[0][0], "a sum over plans (MULTI_PLAN) that is not that of the plans given"
        )
    if any(g.share is None or abs(g.share - 1) > 1e-3 for g in given.values()):
        raise UnreadableImage(
            sums[0][0], "a sum over plans, of which not all fractions were given; add their doses"
        )
    return fitting[0]


def _of_plan(
    kinds: dict[str, list[tuple[Path, Dataset]]], planned: frozenset[str] | None
) -> list[tuple[Path, Dataset]]:
    """Return the PLAN dose of one plan, or its BEAM doses, which must cover the planned beams."""
    parts = kinds.get("PLAN") or kinds["BEAM"]
    if "PLAN" not in kinds and planned:
        parts = [part for part in parts if _beam(part[1]) in planned] or parts
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


def _plans(header: Dataset) -> list[str]:
    plans = items(header, "ReferencedRTPlanSequence")
    return [str(p.get("ReferencedSOPInstanceUID", "")) for p in plans]


def _beam(header: Dataset) -> str:
    for plan in items(header, "ReferencedRTPlanSequence"):
        for group in items(plan, "ReferencedFractionGroupSequence"):
            for beam in items(group, "ReferencedBeamSequence"):
                return str(beam.get("ReferencedBeamNumber", ""))
    return ""


def _biological(header: Dataset) -> bool | None:
    """Return whether the dose is RBE-weighted; None for photons, where both doses are equal."""
    if str(header.get("DoseType", "PHYSICAL")) == "EFFECTIVE":
        return True
    plans = items(header, "ReferencedRTPlanSequence")
    photon = plans and str(plans[0].get("ReferencedSOPClassUID")) == RT_PLAN
    return None if photon else False
