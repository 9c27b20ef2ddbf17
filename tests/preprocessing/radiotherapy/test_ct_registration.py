"""A CT that the test itself moved is brought back; what is no match is refused."""

import numpy as np
import pytest

from flame.core.errors import StageFailed
from flame.core.imaging import LabelMap, Scan, Sequence
from flame.preprocessing.radiotherapy import ct_registration
from flame.preprocessing.radiotherapy.ct_registration import distance, register_ct
from flame.simulation.anatomy import warped_head
from flame.simulation.planning_ct import ct_grid, hounsfield
from flame.simulation.scanner import SCANNERS, acquire, acquisition_grid, pose, signal


@pytest.fixture(scope="module")
def scanned() -> tuple[Scan, LabelMap, np.ndarray, np.ndarray, np.ndarray]:
    """T1C with its brain, CT numbers with their affine, and the true movement."""
    rng = np.random.default_rng(5)
    head = warped_head(rng)
    none = np.zeros(head.brain.shape, np.float32)
    clean = signal(head, none, none, Sequence.T1C, SCANNERS[0].contrast)
    grid = acquisition_grid(SCANNERS[0], head, 3.0)
    voxels = acquire(SCANNERS[0], clean, head.affine, grid, rng).astype(np.float32)
    position = pose(rng, 15, 25) @ head.affine
    affine, shape = ct_grid(head, position, (2.0, 2.0, 3.0))
    values = hounsfield(head, position, (affine, shape), rng).astype(np.float32)
    brain = LabelMap(head.brain.astype(np.uint8), head.affine)
    true = head.affine @ np.linalg.inv(position)
    return Scan(voxels, grid[0], Sequence.T1C), brain, values, affine, true


def test_a_known_movement_is_found(scanned) -> None:
    scan, brain, values, affine, true = scanned
    assert distance(true, register_ct(values, affine, scan, brain), brain) < 2.0


def test_noise_is_refused(scanned) -> None:
    scan, brain, values, affine, _ = scanned
    noise = np.random.default_rng(0).normal(size=values.shape).astype(np.float32)
    with pytest.raises(
        StageFailed, match="registration failed|cannot be registered|not trusted|shows only"
    ):
        register_ct(noise, affine, scan, brain)


@pytest.mark.parametrize("mm", [5.0, 10.0])
def test_a_place_that_is_wrong_by_millimetres_is_refused(scanned, mm: float, monkeypatch) -> None:
    """Whatever registration found: along each axis, the brain then lies on bone."""
    scan, brain, values, affine, true = scanned
    for axis in range(3):
        wrong = true.copy()
        wrong[axis, 3] += mm
        both = iter((wrong, np.linalg.inv(wrong)))
        monkeypatch.setattr(ct_registration, "register", lambda *_, **__: next(both))  # noqa: B023
        with pytest.raises(StageFailed, match="not trusted"):
            register_ct(values, affine, scan, brain)


def test_the_distance_is_the_largest_over_the_brain(scanned) -> None:
    """A shift of 3 mm, and a turn by 1 degree about a point 100 mm away: both in closed form."""
    _, brain, *_ = scanned
    shift = np.eye(4)
    shift[1, 3] = 3.0
    assert distance(np.eye(4), shift, brain) == pytest.approx(3.0)
    angle = np.deg2rad(1)
    turn = np.eye(4)
    turn[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    index = np.argwhere(brain.voxels)[::37]
    world = index @ brain.affine[:3, :3].T + brain.affine[:3, 3]
    radius = np.linalg.norm(world[:, :2], axis=1).max()
    assert distance(np.eye(4), turn, brain) == pytest.approx(2 * np.sin(angle / 2) * radius)
