"""Heads that trip pipelines, through all stages: each with the verdict that is right."""

from dataclasses import replace

import numpy as np
import pytest

from flame.core.cohort import Timepoint
from flame.core.imaging import Scan, Sequence
from flame.preprocessing.config import StageConfig, stages
from flame.preprocessing.quality.checks import Check, brain_checks, final_checks
from flame.preprocessing.stages.atlas_registration import template
from flame.simulation.anatomy import template_head
from flame.simulation.scanner import SCANNERS, acquire, pose, signal

STEP = 2
"""Voxels of the simulated head (2 mm) to one of the image, a side."""


@pytest.fixture(scope="module")
def head() -> tuple[Scan, np.ndarray]:
    """A whole-head T1 at 4 mm and the true brain on its grid."""
    found = template_head()
    none = np.zeros(found.brain.shape, np.float32)
    affine = found.affine @ np.diag([STEP, STEP, STEP, 1])
    shape = tuple(n // STEP for n in found.brain.shape)
    image = signal(found, none, none, Sequence.T1, 1.0)
    rng = np.random.default_rng(2)
    voxels = acquire(SCANNERS[0], image, found.affine, (affine, shape), rng).astype(np.float32)
    brain = found.brain[::STEP, ::STEP, ::STEP][tuple(slice(n) for n in shape)]
    return Scan(voxels, affine, Sequence.T1), brain


def processed(scan: Scan) -> tuple[Timepoint, dict[str, Check]]:
    """The day after all stages, and its checks by name; the brain mask is the native one."""
    day, checks, native = Timepoint(0, {Sequence.T1: scan}), list[Check](), None
    for stage in stages(StageConfig(spacing=4.0)):
        day = stage(day)
        if stage.name == "brain_extraction":
            checks += brain_checks(day)
            native = day.brain
    checks += final_checks(day, template())
    return replace(day, brain=native), {c.name: c for c in checks}


def ball(shape: tuple[int, ...], centre: np.ndarray, radius: float) -> np.ndarray:
    index = np.indices(shape)
    return ((index - centre[:, None, None, None]) ** 2).sum(axis=0) < radius**2


@pytest.mark.slow
def test_head_turned_by_35_degrees_far_from_the_origin(head: tuple[Scan, np.ndarray]) -> None:
    scan, _ = head
    turn = pose(np.random.default_rng(0), 35, 60)
    turn[:3, 3] += [150, -200, 300]
    _, checks = processed(replace(scan, affine=turn @ scan.affine))
    assert {c.verdict for c in checks.values()} == {"pass"}
    assert checks["atlas_dice"].value > 0.93


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_any_order_and_direction_of_the_axes(head: tuple[Scan, np.ndarray], axis: int) -> None:
    scan, _ = head
    voxels = np.flip(np.moveaxis(scan.voxels, 0, axis), axis)
    axes = [1, 2]
    axes.insert(axis, 0)  # old axis of each new one
    order = np.eye(4)[:, [*axes, 3]]
    flip = np.eye(4)
    flip[axis, axis], flip[axis, 3] = -1, voxels.shape[axis] - 1
    moved = Scan(np.ascontiguousarray(voxels), scan.affine @ order @ flip, Sequence.T1)
    _, checks = processed(moved)
    assert {c.verdict for c in checks.values()} == {"pass"}


@pytest.mark.slow
def test_strong_bias(head: tuple[Scan, np.ndarray]) -> None:
    scan, _ = head
    ramp = np.indices(scan.voxels.shape) / np.array(scan.voxels.shape)[:, None, None, None] - 0.5
    field = np.exp(0.8 * (ramp[1] - ramp[2] + 2 * ramp[0] ** 2))
    _, checks = processed(scan.after("bias", (scan.voxels * field).astype(np.float32)))
    assert {c.verdict for c in checks.values()} == {"pass"}


def test_cut_vertex_is_to_be_reviewed(head: tuple[Scan, np.ndarray]) -> None:
    scan, brain = head
    rows = np.flatnonzero(brain.any(axis=(0, 1)))
    top = int(rows[0] + 0.75 * len(rows))
    _, checks = processed(scan.after("cut", scan.voxels[:, :, :top].copy()))
    assert checks["brain_at_border"].verdict == "review"
    assert checks["brain_at_border"].reason == "the field of view cuts the brain"


@pytest.mark.slow
def test_long_neck_is_not_taken_for_brain(head: tuple[Scan, np.ndarray]) -> None:
    scan, brain = head
    longer = 25
    neck = np.zeros((*scan.voxels.shape[:2], longer), np.float32)
    middle = np.argwhere(brain).mean(axis=0)
    x, y = np.indices(neck.shape[:2])
    inside = (x - middle[0]) ** 2 + (y - middle[1]) ** 2 < 14**2
    rng = np.random.default_rng(0)
    level = float(np.quantile(scan.voxels[brain], 0.5))
    neck[inside] = rng.normal(level, 0.1 * level, (int(inside.sum()), longer))
    affine = scan.affine.copy()
    affine[:3, 3] -= affine[:3, 2] * longer
    tall = Scan(np.concatenate([neck, scan.voxels], axis=2), affine, Sequence.T1)
    day, checks = processed(tall)
    assert {c.verdict for c in checks.values()} == {"pass"}
    found = day.brain.voxels > 0
    assert found[:, :, :longer].sum() < 0.02 * found.sum()


@pytest.mark.parametrize(
    ("where", "brightness", "least"),
    [("inside", 0.15, 0.9), ("edge", 1.6, 0.75)],  # a resection cavity; an enhancing lesion
)
def test_cavity_and_lesion_stay_inside_the_mask(
    head: tuple[Scan, np.ndarray], where: str, brightness: float, least: float
) -> None:
    scan, brain = head
    points = np.argwhere(brain)
    centre = points.mean(axis=0)
    centre[0] = centre[0] + (6 if where == "inside" else 0.85 * (points[:, 0].max() - centre[0]))
    lesion = ball(brain.shape, centre, 5) & brain
    level = float(np.quantile(scan.voxels[brain], 0.7)) * brightness
    voxels = np.where(lesion, level, scan.voxels).astype(np.float32)
    day, checks = processed(scan.after("lesion", voxels))
    assert checks["brain_ml"].verdict == checks["atlas_dice"].verdict == "pass"
    assert (day.brain.voxels > 0)[lesion].mean() > least
