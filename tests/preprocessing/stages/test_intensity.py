"""Normalisations against their definitions, on samples whose statistics are known."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flame.core.cohort import Timepoint
from flame.core.errors import BadInput, StageFailed
from flame.core.imaging import LabelMap, Scan, Sequence
from flame.preprocessing.stages.nyul import (
    PERCENTILES,
    LandmarkSum,
    landmarks,
    merge,
    nyul,
    read_scales,
    summarise,
    write_scales,
)
from flame.preprocessing.stages.percentile import percentile
from flame.preprocessing.stages.white_stripe import white_matter_peak, white_stripe
from flame.preprocessing.stages.zscore import zscore


def brain(values: np.ndarray, sequence: Sequence = Sequence.T1) -> Timepoint:
    """A day whose brain holds exactly ``values``."""
    voxels = np.asarray(values, np.float32).reshape(-1, 1, 1)
    mask = LabelMap(np.ones(voxels.shape, np.uint8), np.eye(4))
    return Timepoint(0, {sequence: Scan(voxels, np.eye(4), sequence)}, mask)


def out(day: Timepoint) -> np.ndarray:
    (scan,) = day.scans.values()
    return scan.voxels.ravel()


def tissue(seed: int, gain: float = 1.0, shift: float = 0.0) -> np.ndarray:
    """CSF, grey and white matter of a T1: white at 100 with a spread of 4."""
    rng = np.random.default_rng(seed)
    parts = [rng.normal(m, s, n) for m, s, n in ((30, 6, 4000), (70, 6, 9000), (100, 4, 8000))]
    return np.concatenate(parts) * gain + shift


def test_zscore() -> None:
    found = out(zscore()(brain(np.array([1.0, 2.0, 3.0, 4.0]))))
    assert found == pytest.approx([-1.3416, -0.4472, 0.4472, 1.3416], abs=1e-4)  # sd sqrt(1.25)


def test_percentile_maps_the_ends_to_0_and_1_and_clips() -> None:
    found = out(percentile(10, 90)(brain(np.arange(101.0))))
    assert found[10] == pytest.approx(0)
    assert found[50] == pytest.approx(0.5)
    assert found[90] == pytest.approx(1)
    assert (found.min(), found.max()) == (0, 1)


def test_percentile_of_two_values_fails() -> None:
    with pytest.raises(StageFailed, match="are equal"):
        percentile()(brain(np.r_[np.zeros(1000), 1.0]))


def test_white_matter_peak_is_found() -> None:
    assert white_matter_peak(tissue(0).astype(np.float32), Sequence.T1) == pytest.approx(100, abs=2)


def test_white_stripe_puts_white_matter_at_zero_whatever_the_scale() -> None:
    a = out(white_stripe()(brain(tissue(0))))
    b = out(white_stripe()(brain(tissue(0, 3.7, 50))))
    assert np.allclose(a, b, atol=0.02)
    white = a[13000:]
    assert abs(np.median(white)) < 0.5


@pytest.mark.parametrize("gain", [1.0, 5.0])
def test_nyul_landmarks_land_on_the_scale(gain: float) -> None:
    scale = np.array([0, 5, 12, 20, 31, 44, 52, 60, 75, 90, 100.0])
    day = nyul({Sequence.T1: scale})(brain(tissue(1, gain, 7)))
    assert np.percentile(out(day), PERCENTILES) == pytest.approx(scale, abs=0.05)


def test_nyul_is_monotone_and_goes_on_beyond_the_landmarks() -> None:
    values = np.sort(tissue(2))
    found = out(nyul({Sequence.T1: np.linspace(0, 100, 11)})(brain(values)))
    assert (np.diff(found) >= 0).all()
    assert found[0] < 0
    assert found[-1] > 100


@settings(deadline=None, max_examples=30)
@given(
    sizes=st.lists(st.integers(0, 4), min_size=1, max_size=4).filter(any), seed=st.integers(0, 99)
)
def test_merged_landmarks_are_the_mean_over_all_images(sizes: list[int], seed: int) -> None:
    images = iter([tissue(seed + n, 1 + n, n) for n in range(sum(sizes))])
    centres = [[next(images) for _ in range(size)] for size in sizes]
    found = merge([summarise(c, Sequence.T1) for c in centres])
    each = [np.percentile(v, PERCENTILES) for c in centres for v in c]
    pooled = np.mean([100 * (p - p[0]) / (p[-1] - p[0]) for p in each], axis=0)
    assert found == pytest.approx(pooled, abs=1e-9)


def test_scales_round_trip_and_broken_files_are_refused(tmp_path: Path) -> None:
    scale = merge([summarise([tissue(0)], Sequence.FLAIR)])
    write_scales(tmp_path / "a.json", {Sequence.FLAIR: scale})
    assert np.array_equal(read_scales(tmp_path / "a.json")[Sequence.FLAIR], scale)
    with pytest.raises(BadInput, match="no Nyul landmarks at"):
        read_scales(tmp_path / "none.json")
    (tmp_path / "b.json").write_text('{"percentiles": [1, 99]}')
    with pytest.raises(BadInput, match=r"b\.json holds no Nyul landmarks"):
        read_scales(tmp_path / "b.json")


def test_sequence_without_landmarks_and_no_images_at_all() -> None:
    with pytest.raises(StageFailed, match="no Nyul landmarks were fitted"):
        nyul({Sequence.T2: np.linspace(0, 100, 11)})(brain(tissue(0)))
    with pytest.raises(BadInput, match="no image"):
        merge([LandmarkSum(0, np.zeros(11))])
    with pytest.raises(StageFailed, match="are equal"):
        landmarks(np.r_[np.zeros(1000), 1.0], Sequence.T1)
