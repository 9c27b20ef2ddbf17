"""Verdicts on series written here; the true affine is computed by hand from the tags."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flame.io.dicom.geometry import Geometry, check_geometry
from flame.io.dicom.headers import read_headers
from flame.io.dicom.series import group_series
from tests.helpers.dicom_series import write_mr_series


def checked(folder: Path) -> list[Geometry | str]:
    instances, _ = read_headers(folder)
    return [check_geometry(series) for series in group_series(instances)]


def test_axial_stack_has_the_affine_of_its_tags(tmp_path: Path) -> None:
    write_mr_series(tmp_path)
    (geometry,) = checked(tmp_path)
    assert isinstance(geometry, Geometry)
    assert geometry.shape == (6, 8, 12)
    # Columns are 1.25 mm apart along patient left, rows 1.5 mm along posterior: minus in RAS.
    assert np.allclose(geometry.affine, np.diag([-1.25, -1.5, 2.0, 1.0]))
    # The writer numbers its files against the order in space.
    assert [s.path.name for s in geometry.slices] == [f"1-{n:03d}.dcm" for n in range(12, 0, -1)]


def test_sagittal_stack_keeps_handedness(tmp_path: Path) -> None:
    write_mr_series(tmp_path, orientation=(0, 1, 0, 0, 0, -1))
    (geometry,) = checked(tmp_path)
    assert isinstance(geometry, Geometry)
    # Column index runs to posterior (-y in RAS), row index down (-z), slices along cross = -x LPS.
    assert np.allclose(geometry.affine[:3, 0], [0, -1.25, 0])
    assert np.allclose(geometry.affine[:3, 1], [0, 0, -1.5])
    assert np.allclose(geometry.affine[:3, 2], [2, 0, 0])


@settings(max_examples=25, deadline=None)
@given(angle=st.floats(-60, 60), step=st.floats(0.6, 6.0), origin=st.floats(-200, 200))
def test_oblique_stacks_map_every_slice_corner(
    tmp_path_factory: pytest.TempPathFactory, angle: float, step: float, origin: float
) -> None:
    folder = tmp_path_factory.mktemp("oblique")
    c, s = np.cos(np.deg2rad(angle)), np.sin(np.deg2rad(angle))
    normal = np.cross([1, 0, 0], [0, c, s])
    positions = origin + np.outer(np.arange(10) * step, normal)
    write_mr_series(folder, step=step, orientation=(1, 0, 0, 0, c, s), positions=positions)
    (geometry,) = checked(folder)
    assert isinstance(geometry, Geometry)
    for z in range(10):
        world = geometry.affine @ [0, 0, z, 1]
        assert np.allclose(world[:3] * [-1, -1, 1], positions[z], atol=1e-4)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda p: np.delete(p, [5, 6], axis=0), "2 slices are missing"),
        (lambda p: p + np.outer(np.arange(12) * 0.5, [0, 1, 0]), "sheared"),
        (lambda p: p[[0, 1, 2, 3, 4, 5, 5, 6, 7, 8, 9, 10]], "1 slice positions occur twice"),
        (lambda p: p + [[0, 0, 0.5 * (z == 4)] for z in range(12)], "slice steps are uneven"),
    ],
)
def test_broken_stacks_are_refused(tmp_path: Path, change, reason: str) -> None:
    positions = np.outer(np.arange(12) * 2.0, [0, 0, 1])
    write_mr_series(tmp_path, positions=change(positions))
    (verdict,) = checked(tmp_path)
    assert isinstance(verdict, str)
    assert reason in verdict


@pytest.mark.parametrize(
    ("tags", "reason"),
    [
        ({"PixelSpacing": None}, "PixelSpacing is missing"),
        ({"ImagePositionPatient": None}, "ImagePositionPatient is missing"),
        ({"NumberOfFrames": 12}, "multi-frame"),
        ({"ImageType": ["ORIGINAL", "PRIMARY", "MOSAIC"]}, "contains MOSAIC"),
        ({"ImageOrientationPatient": [1, 0, 0, 0.5, 0.8, 0]}, "not orthonormal"),
    ],
)
def test_unusable_headers_are_refused(tmp_path: Path, tags: dict, reason: str) -> None:
    write_mr_series(tmp_path, **tags)
    (verdict,) = checked(tmp_path)
    assert isinstance(verdict, str)
    assert reason in verdict


def test_two_patients_in_one_series_are_refused(tmp_path: Path) -> None:
    write_mr_series(tmp_path / "a", positions=np.outer(np.arange(6) * 2.0, [0, 0, 1]))
    write_mr_series(
        tmp_path / "b", positions=np.outer(np.arange(6, 12) * 2.0, [0, 0, 1]), PatientID="other"
    )
    (verdict,) = checked(tmp_path)
    assert isinstance(verdict, str)
    assert verdict.startswith("the instances have 2 different PatientIDs (0010,0020)")


def test_localizer_and_second_echo_fall_apart_into_their_own_series(tmp_path: Path) -> None:
    write_mr_series(tmp_path / "a")
    write_mr_series(tmp_path / "b", EchoTime=80.0)
    write_mr_series(tmp_path / "c", slices=3, orientation=(0, 1, 0, 0, 0, -1))
    verdicts = checked(tmp_path)
    assert sorted(v.shape[2] for v in verdicts if isinstance(v, Geometry)) == [3, 12, 12]
