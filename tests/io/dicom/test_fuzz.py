"""Damaged files: no traceback, no hang, and no other volume without a refusal.

One file of a series is changed at random: bytes of its header, its length, or the value of an
element. What is read afterwards has the intensities and the affine of the original, or nothing is.
"""

import random
import signal
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pydicom
import pytest

from flame.core.errors import FlameError
from flame.core.imaging import Scan, Sequence
from flame.io.dicom.geometry import Geometry, check_geometry
from flame.io.dicom.headers import read_headers
from flame.io.dicom.pixels import read_scan
from flame.io.dicom.series import group_series
from tests.helpers.dicom_series import write_mr_series

LIMIT_S = 10
"""Seconds until reading counts as a hang; it takes a few hundredths."""


def scans(folder: Path) -> Iterator[Scan]:
    """Yield every volume that is read, with its sequence left open."""
    try:
        instances, unreadable = read_headers(folder)
        damaged = any(u.damaged for u in unreadable)
        for series in group_series(instances):
            checked = check_geometry(series)
            if isinstance(checked, Geometry) and not damaged:
                yield read_scan(checked, Sequence.T1)
    except FlameError:
        return


def mutate(path: Path, rng: random.Random) -> None:
    data = bytearray(path.read_bytes())
    header = len(data) - 96  # 8 rows and 6 columns of 2 bytes
    kind = rng.choice(("bytes", "bytes", "cut", "element", "insert"))
    if kind == "bytes":
        for _ in range(rng.choice((1, 1, 2, 8))):
            data[rng.randrange(132, header)] = rng.randrange(256)
    elif kind == "cut":
        del data[rng.randrange(132, len(data)) :]
    elif kind == "insert":
        at = rng.randrange(132, header)
        data[at:at] = bytes(rng.randrange(256) for _ in range(rng.randrange(1, 9)))
    path.write_bytes(data)
    if kind == "element":
        change_element(path, rng)


def change_element(path: Path, rng: random.Random) -> None:
    dataset = pydicom.dcmread(path)
    element = rng.choice([e for e in dataset if e.keyword != "PixelData"])
    if rng.random() < 0.4:
        del dataset[element.tag]
    else:
        odd = ("", "0", "-1", "1e9", "NaN", "x", "1\\2", "\x00")
        dataset._dict[element.tag] = pydicom.dataelem.RawDataElement(
            element.tag, element.VR, 0, rng.choice(odd).encode(), 0, False, True
        )
    try:
        dataset.save_as(path)
    except Exception:  # pydicom does not write it
        return


def check(folder: Path, seed: int) -> None:
    rng = random.Random(seed)
    paths = write_mr_series(folder, RescaleSlope=2, RescaleIntercept=-5)
    (original,) = scans(folder)
    mutate(rng.choice(paths), rng)
    signal.alarm(LIMIT_S)
    try:
        found = list(scans(folder))
    finally:
        signal.alarm(0)
    for scan in found:
        assert np.allclose(scan.affine, original.affine, atol=1e-2), seed
        assert np.array_equal(scan.voxels, original.voxels), seed


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("seed", range(60))
def test_a_damaged_file_gives_the_original_or_nothing(tmp_path: Path, seed: int) -> None:
    check(tmp_path, seed)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_five_hundred_damaged_files(tmp_path: Path) -> None:
    for seed in range(60, 560):
        folder = tmp_path / str(seed)
        folder.mkdir()
        check(folder, seed)
