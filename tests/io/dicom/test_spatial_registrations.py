"""Spatial Registration objects, against SimpleITK's composition of the same transforms."""

from datetime import date
from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from pydicom.sequence import Sequence as Items

from flame.io.dicom.headers import read_headers
from flame.io.dicom.spatial_registrations import (
    DEFORMABLE_REGISTRATION,
    FrameLink,
    reachable,
    read_links,
)
from flame.simulation.dicom_images import Study
from flame.simulation.dicom_radiotherapy import write_registration
from flame.simulation.scanner import pose

STUDY = Study("p", "F", 60, date(2020, 3, 2), 1)
CT, MR, PET, OTHER = (f"1.2.1{n}" for n in range(4))
POINT = np.array([12.0, -40.0, 33.0])


def written(path: Path, source: str, target: str, matrix: np.ndarray, day: int = 2) -> Path:
    write_registration(path, Study("p", "F", 60, date(2020, 3, day), 1), source, target, matrix)
    dataset = pydicom.dcmread(path)
    dataset.SOPInstanceUID = f"1.2.{ord(path.name[0])}"
    dataset.save_as(path)
    return path


def by_itk(path: Path, point: np.ndarray) -> np.ndarray:
    """Move a point (RAS+) by the matrices of an object, read and applied by SimpleITK in LPS."""
    moved = tuple(point * [-1, -1, 1])
    (item,) = (
        i
        for i in pydicom.dcmread(path).RegistrationSequence
        if i.FrameOfReferenceUID != pydicom.dcmread(path).FrameOfReferenceUID
    )
    for step in item.MatrixRegistrationSequence[0].MatrixSequence:
        values = np.reshape(np.array(step.FrameOfReferenceTransformationMatrix, float), (4, 4))
        transform = sitk.AffineTransform(3)
        transform.SetMatrix(values[:3, :3].ravel().tolist())
        transform.SetTranslation(values[:3, 3].tolist())
        moved = transform.TransformPoint(moved)
    return np.array(moved) * [-1, -1, 1]


def links(folder: Path) -> list[FrameLink]:
    found, notes = read_links(read_headers(folder)[0])
    assert not notes
    return found


@pytest.mark.parametrize("seed", range(5))
def test_a_matrix_means_what_itk_says(tmp_path: Path, seed: int) -> None:
    path = written(tmp_path / "a.dcm", CT, MR, pose(np.random.default_rng(seed), 20, 40))
    (link,) = links(tmp_path)
    assert (link.source, link.target) == (CT, MR)
    found = (link.matrix @ [*POINT, 1])[:3]
    assert found == pytest.approx(by_itk(path, POINT), abs=1e-3)
    assert (link.back.matrix @ [*found, 1])[:3] == pytest.approx(POINT, abs=1e-6)


def test_steps_of_one_object_are_applied_in_their_order(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    path = written(tmp_path / "a.dcm", CT, MR, pose(rng, 20, 40))
    dataset = pydicom.dcmread(path)
    chain = dataset.RegistrationSequence[1].MatrixRegistrationSequence[0]
    other = pydicom.dcmread(written(tmp_path / "b.dcm", CT, MR, pose(rng, 30, 10)))
    more = other.RegistrationSequence[1].MatrixRegistrationSequence[0].MatrixSequence[0]
    (tmp_path / "b.dcm").unlink()
    chain.MatrixSequence = Items([*chain.MatrixSequence, more])
    dataset.save_as(path)
    (link,) = links(tmp_path)
    assert (link.matrix @ [*POINT, 1])[:3] == pytest.approx(by_itk(path, POINT), abs=1e-3)


def test_chains_run_in_both_directions(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    first, second = pose(rng, 10, 20), pose(rng, 10, 20)
    written(tmp_path / "a.dcm", CT, PET, first)
    written(tmp_path / "b.dcm", MR, PET, second)
    found = reachable(links(tmp_path), CT)
    assert list(found) == [PET, MR]
    assert np.allclose(found[MR], np.linalg.inv(second) @ first, atol=1e-6)
    assert reachable(links(tmp_path), OTHER) == {}


def test_the_later_object_counts(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    newer = pose(rng, 10, 20)
    written(tmp_path / "a.dcm", CT, MR, pose(rng, 10, 20), day=2)
    written(tmp_path / "b.dcm", MR, CT, np.linalg.inv(newer), day=9)
    (link,) = links(tmp_path)
    assert np.allclose(reachable([link], CT)[MR], newer, atol=1e-6)


def test_the_identity_of_its_own_frame_is_no_link(tmp_path: Path) -> None:
    written(tmp_path / "a.dcm", CT, MR, np.eye(4))
    assert [x.source for x in links(tmp_path)] == [CT]


def change_matrix(dataset: pydicom.Dataset, values: list[float], kind: str = "RIGID") -> None:
    step = dataset.RegistrationSequence[1].MatrixRegistrationSequence[0].MatrixSequence[0]
    step.FrameOfReferenceTransformationMatrix = values
    step.FrameOfReferenceTransformationMatrixType = kind


DOUBLE = [2, 0, 0, 0, 0, 2, 0, 0, 0, 0, 2, 0, 0, 0, 0, 1]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda d: setattr(d, "SOPClassUID", DEFORMABLE_REGISTRATION), "it is deformable"),
        (lambda d: change_matrix(d, DOUBLE), "called rigid but changes lengths"),
        (lambda d: change_matrix(d, [0.0] * 16, "AFFINE"), "no movement"),
        (lambda d: change_matrix(d, [1.0, 0.0, 0.0]), "16 numbers"),
        (lambda d: change_matrix(d, DOUBLE, "WARP"), "matrix type is unknown"),
        (lambda d: setattr(d, "FrameOfReferenceUID", ""), "FrameOfReferenceUID"),
    ],
)
def test_what_cannot_be_used_is_named(tmp_path: Path, change, reason: str) -> None:
    path = written(tmp_path / "a.dcm", CT, MR, np.eye(4))
    dataset = pydicom.dcmread(path)
    change(dataset)
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    dataset.save_as(path)
    found, notes = read_links(read_headers(tmp_path)[0])
    assert not found
    assert len(notes) == 1
    assert reason in notes[0]


def test_a_scaled_matrix_may_say_so(tmp_path: Path) -> None:
    path = written(tmp_path / "a.dcm", CT, MR, np.eye(4))
    dataset = pydicom.dcmread(path)
    change_matrix(dataset, DOUBLE, "AFFINE")
    dataset.save_as(path)
    (link,) = links(tmp_path)
    assert np.allclose(link.matrix, np.diag([2, 2, 2, 1.0]))
