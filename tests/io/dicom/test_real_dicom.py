"""Real files: a Philips head, compressed minis, photon and proton plans."""

import gzip
import tarfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from flame.core.imaging import Sequence
from flame.core.treatment import Radiation
from flame.io.dicom.geometry import Geometry, check_geometry
from flame.io.dicom.headers import read_headers
from flame.io.dicom.intake import inspect_folder
from flame.io.dicom.pixels import read_scan
from flame.io.dicom.plan_versions import is_plan
from flame.io.dicom.radiotherapy import read_radiotherapy
from flame.io.dicom.series import group_series

Shared = Callable[[str], Path]


@pytest.fixture(scope="module")
def minis(shared: Shared, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("minis")
    with tarfile.open(shared("dicom/vendor_minis.tar.gz")) as archive:
        archive.extractall(folder, filter="data")
    return folder


def test_philips_head_is_one_t1_of_170_sagittal_slices(shared: Shared, tmp_path: Path) -> None:
    archive = shared("dicom/philips_elitionX_T1_MPRAGE_dcm_qa_philips_enh.tar")
    with tarfile.open(archive) as tar:
        tar.extractall(tmp_path, filter="data")
    for packed in tmp_path.rglob("*.gz"):
        packed.with_suffix("").write_bytes(gzip.decompress(packed.read_bytes()))
        packed.unlink()
    (study,) = inspect_folder(tmp_path).studies().values()
    geometry = study[Sequence.T1].geometry
    assert geometry is not None
    assert geometry.shape == (256, 256, 170)
    assert abs(geometry.affine[0, 2]) > 0.95  # slices run along left-right
    assert read_scan(geometry, Sequence.T1).voxels.max() > 100


def test_minis_are_refused_as_too_few_slices(minis: Path) -> None:
    report = inspect_folder(minis / "ge")
    (series,) = report.series
    assert series.refused.startswith("4 slices, fewer than 10;")


def test_five_compressions_of_one_image_decode_to_the_same_pixels(minis: Path) -> None:
    volumes = []
    for syntax in (
        "compressed",
        "compressed_rle",
        "compressed_jpegls",
        "compressed_j2k",
        "compressed_jpeg",
    ):
        (series,) = group_series(read_headers(minis / "generic" / syntax)[0])
        geometry = check_geometry(series)
        assert isinstance(geometry, Geometry)
        volumes.append(read_scan(geometry, Sequence.FLAIR).voxels)
    assert all(np.array_equal(volumes[0], v) for v in volumes[1:])


def test_real_proton_plan(shared: Shared) -> None:
    folder = shared("rt/aptg_proton/plan03_ramp_full")
    plans = [i for i in read_headers(folder)[0] if is_plan(i)]
    treatment = read_radiotherapy(plans).treatment
    assert treatment is not None
    assert {p.radiation for p in treatment.phases} == {Radiation.PROTON}
    assert treatment.phases[0].biological


def test_real_photon_plan(shared: Shared) -> None:
    folder = shared("rt/photon")
    (plan,) = [i for i in read_headers(folder)[0] if i.path.name == "rtplan.dcm"]
    treatment = read_radiotherapy([plan]).treatment
    assert treatment is not None
    assert treatment.phases[0].radiation is Radiation.PHOTON
    assert treatment.phases[0].dose == 14.0  # (300A,0026) of the file
    assert treatment.phases[0].fractions == 7  # (300A,0078)
