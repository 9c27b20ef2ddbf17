"""Dose and drawn regions of a day on the grid of its images, each resampled once."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from flame.core.cohort import Timepoint
from flame.core.errors import StageFailed, UnreadableImage
from flame.core.imaging import DoseMap, LabelMap, Scan, Sequence
from flame.io.dicom.dose import PlanDose, read_doses
from flame.io.dicom.instances import read_dataset
from flame.io.dicom.region_names import region_of
from flame.io.dicom.segmentations import read_segments
from flame.io.dicom.structures import read_region, regions
from flame.io.nifti import read_dose_map
from flame.io.tumour_masks import CORE, read_regions
from flame.preprocessing.radiotherapy.ct_registration import ct_to_scan
from flame.preprocessing.radiotherapy.dose_volume import DoseVolume, dose_volume
from flame.preprocessing.radiotherapy.plan import Drawn, RadiotherapyPlan, Way
from flame.preprocessing.stages.interpolation import resample, resample_labels

Matrix = NDArray[np.float64]
Volume = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Target:
    """The images of a day, onto whose grid everything is resampled.

    Args:
        scans: scans on their own grids.
        brain: brain mask in the final world.
        moves: RAS+ matrix (4, 4) in mm from each scan's own world into the final one.
        affine: RAS+ affine (4, 4) of the final grid in mm.
        shape: shape (x, y, z) of the final grid.
    """

    scans: Mapping[Sequence, Scan]
    brain: LabelMap
    moves: Mapping[Sequence, Matrix]
    affine: Matrix
    shape: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class PlannedMaps:
    """Radiotherapy of a day on the final grid.

    Args:
        regions: masks (x, y, z) by region; the gross tumour volume is the core.
        dose: dose (x, y, z) of the course in Gy; None: unknown.
        phases: dose of each phase; empty: unknown.
        dose_volume: one row per region that lies in the dose.
        ways: how the objects were carried to the images.
        notes: what was left out.
    """

    regions: dict[str, LabelMap] = field(default_factory=dict)
    dose: DoseMap | None = None
    phases: tuple[DoseMap, ...] = ()
    dose_volume: tuple[DoseVolume, ...] = ()
    ways: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def added_to(self, timepoint: Timepoint) -> Timepoint:
        """Add these masks and doses to a day; the core is its gross tumour volume.

        Args:
            timepoint: day on the final grid.

        Returns:
            The day with masks and doses.
        """
        others = {name: mask for name, mask in self.regions.items() if name != CORE}
        return replace(
            timepoint,
            tumour=self.regions.get(CORE),
            regions=others,
            dose=self.dose,
            phase_doses=self.phases,
        )


@dataclass(frozen=True, eq=False)
class _Region:
    """Region on its own grid, in the final world."""

    name: str
    mask: LabelMap


def planned_maps(
    planned: RadiotherapyPlan, target: Target, convention: str = "brats"
) -> PlannedMaps:
    """Resample the drawn regions and the dose of a day to the grid of its images.

    Of several structure sets the first one that has a region counts for it. Regions of one set with
    one meaning are joined.

    Args:
        planned: radiotherapy of the day.
        target: images of the day.
        convention: meaning of the labels of a NIfTI mask: brats or brats-2023.

    Returns:
        Masks, doses and dose-volume figures.
    """
    notes = list(planned.notes)
    ways = _Ways(planned, target, notes)
    drawn = list(_drawn(planned, target, ways, convention, notes))
    masks: dict[str, LabelMap] = {}
    for name in dict.fromkeys(r.name for r in drawn):
        parts = [
            resample_labels(r.mask, target.affine, target.shape).voxels
            for r in drawn
            if r.name == name
        ]
        masks[name] = LabelMap(np.maximum.reduce(parts), target.affine)
    doses = _doses(planned, target, ways, notes)
    sampled = [resample(d.dose.voxels, d.dose.affine, target.affine, target.shape) for d in doses]
    curves = [dose_volume(_shown(n), [r.mask for r in drawn if r.name == n], doses) for n in masks]
    return PlannedMaps(
        masks,
        _total(doses, sampled, target),
        _phases(doses, sampled, target),
        tuple(c for c in curves if c),
        tuple(dict.fromkeys(ways.used)),
        tuple(dict.fromkeys(notes)),
    )


class _Ways:
    """Matrices from the frames of the objects to the final world; each CT is registered once."""

    def __init__(self, planned: RadiotherapyPlan, target: Target, notes: list[str]) -> None:
        self._target = target
        self._notes = notes
        self._found: dict[int, Matrix | None] = {}
        self.used: list[str] = []

    def to_final(self, item: Drawn) -> Matrix | None:
        """Return the RAS+ matrix (4, 4) in mm; None if the CT cannot be registered."""
        link = item.link
        move = self._target.moves[link.sequence]
        line = f"{item.modality} on {link.sequence}: {link.way}"
        if link.way is not Way.FOUND or link.ct is None:
            self.used.append(line)
            return np.asarray(move @ link.matrix)
        key = id(link.ct)
        if key not in self._found:
            scan = self._target.scans[link.sequence]
            back = np.linalg.inv(move)
            brain = replace(self._target.brain, affine=back @ self._target.brain.affine)
            try:
                self._found[key] = ct_to_scan(link.ct, scan, brain)
            except (StageFailed, UnreadableImage) as error:
                self._found[key] = None
                reason = error.reason if isinstance(error, UnreadableImage) else str(error)
                self._notes.append(f"what lies on the CT left out: {reason}")
        found = self._found[key]
        if found is None:
            return None
        self.used.append(line)
        return np.asarray(move @ found)


def _doses(
    planned: RadiotherapyPlan, target: Target, ways: _Ways, notes: list[str]
) -> list[PlanDose]:
    """Return the doses of the course in the final world; none if one of them is missing."""
    try:
        if planned.dose_map and planned.drawn_on:
            dose = read_dose_map(planned.dose_map)
            moved = replace(dose, affine=target.moves[planned.drawn_on] @ dose.affine)
            return [PlanDose(moved, None, False, planned.dose_map)]
        items = {d.path: d for d in planned.of("RTDOSE")}
        if not items:
            return []
        found = []
        for part in read_doses(list(items), planned.plans):
            matrix = ways.to_final(items[part.path])
            if matrix is None:
                return []
            moved = replace(part.dose, affine=matrix @ part.dose.affine)
            found.append(replace(part, dose=moved))
        return found
    except UnreadableImage as error:
        notes.append(f"dose left out: {error.reason}")
        return []


def _total(doses: list[PlanDose], sampled: list[Volume], target: Target) -> DoseMap | None:
    if not doses:
        return None
    total = sum(sampled, np.zeros(target.shape, np.float32))
    biological = any(d.dose.biological for d in doses if not d.neutral)
    return DoseMap(np.asarray(total, np.float32), target.affine, biological)


def _phases(doses: list[PlanDose], sampled: list[Volume], target: Target) -> tuple[DoseMap, ...]:
    """Return the dose of each of several phases; nothing where a dose stands for none of them."""
    told = {d.phase for d in doses if d.phase is not None}
    if len(told) < 2 or any(d.phase is None for d in doses):
        return ()
    maps = []
    for phase in sorted(told):
        voxels = np.zeros(target.shape, np.float32)
        parts = [(d, v) for d, v in zip(doses, sampled, strict=True) if d.phase == phase]
        for _, values in parts:
            voxels += values
        biological = any(d.dose.biological for d, _ in parts)
        maps.append(DoseMap(voxels, target.affine, biological))
    return tuple(maps)


def _drawn(
    planned: RadiotherapyPlan, target: Target, ways: _Ways, convention: str, notes: list[str]
) -> Iterator[_Region]:
    """Yield each region on its own grid, in the final world."""
    if planned.tumour and planned.drawn_on:
        move = target.moves[planned.drawn_on]
        for name, mask in read_regions(planned.tumour, convention).items():
            yield _Region(name, replace(mask, affine=move @ mask.affine))
    taken = {CORE} if planned.tumour else set()
    for item in planned.of("RTSTRUCT", "SEG"):
        matrix = ways.to_final(item)
        if matrix is None:
            continue
        read = _structures if item.modality == "RTSTRUCT" else _segments
        here = set()
        for name, mask in read(item, planned.roi_names, taken, notes):
            here.add(name)
            yield _Region(name, replace(mask, affine=matrix @ mask.affine))
        taken |= here


def _structures(
    item: Drawn, names: Mapping[str, str], taken: set[str], notes: list[str]
) -> Iterator[tuple[str, LabelMap]]:
    header = read_dataset(item.path, pixels=False)
    unused = 0
    for number, roi in regions(header):
        name = region_of(roi, names)
        if name is None or name in taken:
            unused += name is None
            continue
        try:
            yield name, read_region(item.path, number, item.frame)
        except UnreadableImage as error:
            notes.append(f"a contour of {_shown(name)} was left out: {error.reason}")
        except (AttributeError, TypeError, ValueError):
            notes.append(
                f"a contour of {_shown(name)} was left out: the structure set is malformed"
            )
    if unused:
        notes.append(f"{unused} structures of other names not used (flame inspect lists them)")


def _segments(
    item: Drawn, names: Mapping[str, str], taken: set[str], notes: list[str]
) -> Iterator[tuple[str, LabelMap]]:
    try:
        segments = read_segments(item.path, item.frame)
    except UnreadableImage as error:
        notes.append(f"a segmentation was left out: {error.reason}")
        return
    for label, mask in segments.items():
        name = region_of(label, names)
        if name is not None and name not in taken:
            yield name, mask


def _shown(region: str) -> str:
    return "GTV" if region == CORE else region
