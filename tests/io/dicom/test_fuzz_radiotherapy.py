"""Odd values in every element of plans, doses and contours: a result, or an error in plain words.

Hypothesis chooses an element, at any depth, and an odd value for it. Reading ends in a treatment,
a dose or a region with plausible numbers, or in a FlameError; nothing else may be raised.
"""

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import numpy as np
import pydicom
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset

from flame.core.errors import FlameError
from flame.core.treatment import Phase, Radiation, Treatment
from flame.io.dicom.dose import read_doses
from flame.io.dicom.headers import read_headers
from flame.io.dicom.intake import inspect_folder
from flame.io.dicom.radiotherapy import frames_of, read_radiotherapy
from flame.io.dicom.structures import read_region, regions
from flame.simulation.dicom_images import Study
from flame.simulation.dicom_radiotherapy import write_dose, write_plans
from tests.helpers.dicom_series import write_mr_series
from tests.io.dicom.test_structures import circle, write

STUDY = Study("p", "F", 60, date(2020, 3, 2), 1)
ODD = st.one_of(
    st.sampled_from(
        [b"", b"0", b"-1", b"1e9", b"1e400", b"NaN", b"inf", b"x", b"1\\2", b"1\\\\3", b"\x00"]
        + [b"60.0.0", b"20201332", b"1_000", b"9" * 5000, "ä".encode(), b"\x1b[2J", b"\n"]
    ),
    st.binary(max_size=24),
)
DEEP = settings(
    max_examples=400,
    deadline=10_000,  # ms; a hang
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def elements(dataset: Dataset) -> Iterator[tuple[Dataset, pydicom.tag.BaseTag]]:
    """Yield each element, at any depth, with the data set that holds it."""
    for element in dataset:
        if element.keyword != "PixelData":
            yield dataset, element.tag
        if element.VR == "SQ":
            for item in element.value:
                yield from elements(item)


def change(path: Path, which: int, value: bytes | None) -> bool:
    """Give one element an odd value, or remove it; False if pydicom cannot write the result."""
    dataset = pydicom.dcmread(path)
    found = list(elements(dataset))
    parent, tag = found[which % len(found)]
    vr = parent[tag].VR
    if value is None or vr == "SQ":
        del parent[tag]
    else:
        parent._dict[tag] = RawDataElement(tag, vr, len(value), value, 0, False, True)
    try:
        dataset.save_as(path)
    except Exception:
        return False
    return True


@pytest.fixture
def files(tmp_path: Path) -> dict[str, bytes]:
    """A plan, a dose and contours by file name."""
    write_plans(tmp_path, STUDY, Treatment((Phase(Radiation.PROTON, 60.0, 30, biological=True),)))
    ramp = np.indices((6, 5, 4)).sum(axis=0).astype(np.float32)
    write_dose(tmp_path / "RD.dcm", STUDY, ramp, np.diag([2.0, 3, 4, 1]), biological=True)
    write(tmp_path / "RS.dcm", [circle(10, z) for z in (0.0, 2.0, 4.0)])
    return {path.name: path.read_bytes() for path in tmp_path.glob("*.dcm")}


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@DEEP
@given(name=st.sampled_from(["RP1.dcm", "RD.dcm", "RS.dcm"]), which=st.integers(0, 300), value=ODD)
def test_an_odd_element_is_read_or_refused(
    files: dict[str, bytes], tmp_path: Path, name: str, which: int, value: bytes
) -> None:
    for other, content in files.items():
        (tmp_path / other).write_bytes(content)
    if not change(tmp_path / name, which, value):
        return
    try:
        instances, _ = read_headers(tmp_path)
        course = read_radiotherapy(instances)
        for phase in course.treatment.phases if course.treatment else ():
            assert 0 < phase.dose < 200
            assert 0 < phase.fractions <= 200
        named = {instance.path.name: instance for instance in instances}
        if dose := named.get("RD.dcm"):
            for part in read_doses([dose.path], course.plans):
                assert np.isfinite(part.dose.voxels).all()
                assert part.dose.voxels.min() >= 0
        if drawn := named.get("RS.dcm"):
            for number, _ in regions(drawn.header):
                read_region(drawn.path, number, next(iter(frames_of(drawn)), ""))
    except FlameError:
        return


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@DEEP
@given(
    name=st.sampled_from(["RP1.dcm", "RD.dcm", "RS.dcm"]),
    which=st.integers(0, 300),
    value=st.one_of(st.none(), ODD),
)
def test_the_series_beside_an_odd_file_is_taken(
    files: dict[str, bytes],
    tmp_path: Path,
    name: str,
    which: int,
    value: bytes | None,
) -> None:
    for other, content in files.items():
        (tmp_path / other).write_bytes(content)
    if not (tmp_path / "mr").exists():
        (tmp_path / "mr").mkdir()
        write_mr_series(tmp_path / "mr")
    if change(tmp_path / name, which, value):
        (series,) = inspect_folder(tmp_path).series
        assert series.geometry is not None
