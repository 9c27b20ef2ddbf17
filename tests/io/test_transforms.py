from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from flame.core.errors import BadInput
from flame.core.imaging import LabelMap
from flame.io.transforms import itk_text, read_transform
from flame.preprocessing.stages.interpolation import resample_labels
from flame.simulation.scanner import pose


def matrix(seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return pose(rng, 20, 30) @ np.diag([*rng.uniform(0.9, 1.1, 3), 1])


@pytest.mark.parametrize("seed", range(3))
def test_itk_maps_target_points_to_source_points(tmp_path: Path, seed: int) -> None:
    move = matrix(seed)
    (tmp_path / "x_xfm.txt").write_text(itk_text(move))
    itk = sitk.ReadTransform(str(tmp_path / "x_xfm.txt"))
    source = np.array([12.0, -5.0, 40.0])
    target = (move @ [*source, 1])[:3]
    found = np.array(itk.TransformPoint((target * [-1, -1, 1]).tolist())) * [-1, -1, 1]
    assert found == pytest.approx(source, abs=1e-9)
    assert np.allclose(read_transform(tmp_path / "x_xfm.txt"), move, atol=1e-12)


def test_a_mask_goes_there_and_back(tmp_path: Path) -> None:
    move = matrix(1)
    (tmp_path / "x_xfm.txt").write_text(itk_text(move))
    index = np.indices((80, 80, 80))
    ball = (((index - 39.5) ** 2).sum(axis=0) < 25**2).astype(np.uint8)
    native = LabelMap(ball, np.diag([1.0, 1.0, 1.2, 1.0]))
    found = read_transform(tmp_path / "x_xfm.txt")
    grid = np.eye(4)
    grid[:3, 3] = (found @ native.affine @ [39.5, 39.5, 39.5, 1])[:3] - 50
    there = resample_labels(LabelMap(ball, found @ native.affine), grid, (100, 100, 100))
    home = LabelMap(there.voxels, np.linalg.inv(found) @ there.affine)
    back = resample_labels(home, native.affine, ball.shape).voxels
    dice = 2 * (back & ball).sum() / (back.sum() + ball.sum())
    assert dice > 0.98


def test_other_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("hello")
    for name in ("a.txt", "none.txt"):
        with pytest.raises(BadInput, match="no affine transform"):
            read_transform(tmp_path / name)
