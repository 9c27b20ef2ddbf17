import numpy as np
import pytest

from flame.core.imaging import LabelMap, Scan, Sequence


def test_spacing_and_history() -> None:
    affine = np.diag([2.0, -3.0, 4.0, 1.0])
    scan = Scan(np.zeros((2, 2, 2), np.float32), affine, Sequence.T1)
    after = scan.after("n4", np.ones((2, 2, 2)))
    assert scan.spacing.tolist() == [2, 3, 4]
    assert after.history == ("n4",)
    assert after.voxels.dtype == np.float32
    assert scan.history == ()


def test_volume_in_ml() -> None:
    # 8 voxels of 5 mm sides are 1000 mm3, 1 ml.
    labels = LabelMap(np.ones((2, 2, 2), np.uint8), np.diag([5.0, 5.0, 5.0, 1.0]))
    assert labels.volume == pytest.approx(1.0)


@pytest.mark.parametrize("affine", [np.zeros((4, 4)), np.full((4, 4), np.nan), np.eye(3)])
def test_impossible_affines_are_refused(affine: np.ndarray) -> None:
    with pytest.raises(ValueError, match="affine"):
        Scan(np.zeros((2, 2, 2), np.float32), affine, Sequence.T1)
