"""Files that mean harm: bombs, nonsense, forged lines. One file costs one file."""

import gzip
import stat
import subprocess
import sys
import zipfile
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.tag import Tag
from pydicom.uid import DeflatedExplicitVRLittleEndian, RLELossless

from flame.core.errors import BadInput, FlameError, Refusal
from flame.core.expansion import TooLargeError
from flame.federation.checkpoint import load_checkpoint
from flame.federation.privacy.audit_log import AuditLog
from flame.federation.privacy.budget import Budget, Spent, epsilon
from flame.federation.run_files import folder_of_run
from flame.io.dicom.instances import read_dataset
from flame.io.dicom.intake import inspect_folder
from flame.io.dicom.pixels import read_scan
from flame.io.pseudonym import load_key
from flame.io.tables import read_table
from tests.helpers.dicom_series import write_mr_series


def test_a_deflated_file_is_measured_before_it_is_inflated(tmp_path: Path) -> None:
    """1.5 MB became 4.6 GB; here 3 MB would become 3 GB."""
    (path, *_) = write_mr_series(tmp_path / "s", 1)
    dataset = pydicom.dcmread(path)
    dataset.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    dataset.save_as(path)
    raw = path.read_bytes()
    start = 144 + int.from_bytes(raw[140:144], "little")
    deflate = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    zeros = bytes(2**24)
    parts = [raw[:start], *(deflate.compress(zeros) for _ in range(192)), deflate.flush()]
    path.write_bytes(b"".join(parts))
    assert path.stat().st_size < 2**22
    with pytest.raises(TooLargeError):
        read_dataset(path, pixels=False)


def test_pixels_are_measured_before_they_are_decoded(tmp_path: Path) -> None:
    (path, *_) = write_mr_series(tmp_path / "s", 1)
    dataset = pydicom.dcmread(path)
    dataset.Rows = dataset.Columns = 65535
    dataset.file_meta.TransferSyntaxUID = RLELossless
    dataset.PixelData = encapsulate([bytes(64)])
    dataset.save_as(path)
    with pytest.raises(TooLargeError):
        read_dataset(path)


def test_models_and_tables_are_measured(tmp_path: Path) -> None:
    model, table = tmp_path / "m.npz", tmp_path / "t.csv.gz"
    with (
        zipfile.ZipFile(model, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("w0.npy", "w", force_zip64=True) as member,
    ):
        for _ in range(130):
            member.write(bytes(2**24))
    with pytest.raises(FlameError, match="is damaged"):
        load_checkpoint(model)
    with gzip.open(table, "wb", compresslevel=1) as stream:
        for _ in range(130):
            stream.write(bytes(2**24))
    with pytest.raises(BadInput, match="would become larger than 2 GB"):
        read_table(table)


def _raw(tag: int, vr: str, value: bytes) -> Callable[[Dataset], None]:
    def change(dataset: Dataset) -> None:
        dataset[tag] = RawDataElement(Tag(tag), vr, len(value), value, 0, False, True)

    return change


ODD: dict[str, Callable[[Dataset], None]] = {
    "two Rows": _raw(0x00280010, "US", b"\x08\x00\x08\x00"),
    "endless frames": _raw(0x00280008, "IS", b"inf "),
    "a billion frames": _raw(0x00280008, "IS", b"1000000000"),
    "ImageType of numbers": _raw(0x00080008, "FD", bytes(16)),
    "no Rows": lambda d: setattr(d, "Rows", 0),
    "spacing 0": lambda d: setattr(d, "PixelSpacing", [0, 0]),
    "spacing below 0": lambda d: setattr(d, "PixelSpacing", [-1, -1]),
    "spacing 1e30": lambda d: setattr(d, "PixelSpacing", ["1e30", "1e30"]),
    "spacing not a number": _raw(0x00280030, "DS", b"nan\\nan "),
    "place 1e30": lambda d: setattr(
        d, "ImagePositionPatient", ["1e30", "0", d.ImagePositionPatient[2]]
    ),
    "burned in": lambda d: setattr(d, "BurnedInAnnotation", "YES"),
    "endless slope": _raw(0x00281053, "DS", b"inf "),
    "no bits": lambda d: setattr(d, "BitsAllocated", 0),
    "two series": _raw(0x0020000E, "UI", b"1.2\\1.3 "),
    "text as repetition time": _raw(0x00180080, "DS", b"one "),
    "date of a number": _raw(0x00080020, "US", b"\x01\x00"),
}


@pytest.mark.parametrize("slices", ["one slice", "every slice"])
@pytest.mark.parametrize("odd", ODD)
def test_an_odd_header_costs_its_series_alone(tmp_path: Path, odd: str, slices: str) -> None:
    paths = write_mr_series(tmp_path / "odd", series="1")
    write_mr_series(tmp_path / "good", series="2")
    whole = next(s for s in inspect_folder(tmp_path).series if s.series.uid.endswith(".2"))
    assert whole.geometry is not None
    expected = read_scan(whole.geometry, whole.verdict.sequence).voxels
    for path in paths if slices == "every slice" else paths[5:6]:
        dataset = pydicom.dcmread(path)
        ODD[odd](dataset)
        dataset.save_as(path)
    report = inspect_folder(tmp_path)
    (good,) = [s for s in report.series if s.series.uid.endswith(".2")]
    assert good.geometry is not None
    assert np.array_equal(read_scan(good.geometry, good.verdict.sequence).voxels, expected)
    for series in report.series:
        if series is not good and series.geometry is not None:
            try:
                voxels = read_scan(series.geometry, series.verdict.sequence).voxels
            except FlameError:
                continue
            assert voxels.shape == expected.shape
            assert np.linalg.norm(series.geometry.affine[:3, :3], axis=0).max() < 100


def test_a_round_cannot_forge_a_line_of_the_log(tmp_path: Path) -> None:
    log = AuditLog(tmp_path / "sent.log")
    forged = {"number": 1, "name": "t\n2026-01-01T00:00:00+00:00 nothing was sent\x1b[2J"}
    log.write("train", forged, {"weights": [], "patients": 5})
    (line,) = log.path.read_text().splitlines()
    assert "\\n2026" in line
    assert "\x1b" not in line
    assert stat.S_IMODE(log.path.stat().st_mode) == 0o600


@pytest.mark.parametrize("name", ["../../etc", "/etc/x", "a/b", "..", "", "a\n", "a\x00b"])
def test_a_run_has_a_name_and_no_path(tmp_path: Path, name: str) -> None:
    with pytest.raises(Refusal, match="keeps runs in its own kit only"):
        folder_of_run(tmp_path, name)


def test_jobs_at_once_share_one_budget(tmp_path: Path) -> None:
    """Two jobs got 23 updates where 12 were allowed: each had its own copy."""
    path, cost = tmp_path / "budget.json", Spent(8.0, 1)
    limit = epsilon([cost] * 12, 1e-5) + 1e-9
    budgets = [Budget(path, limit, 1e-5) for _ in range(4)]

    def spend(message: int) -> int:
        try:
            budgets[message % 4].spend(f"m{message}", cost)
        except Refusal:
            return 0
        return 1

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(spend, range(32))) == 12


def test_first_runs_at_once_get_one_key(tmp_path: Path) -> None:
    """Of 60 at once, one got another key and six failed."""
    code = "import sys; from pathlib import Path; from flame.io.pseudonym import load_key; "
    code += "print(load_key(Path(sys.argv[1])).hex())"
    command = [sys.executable, "-c", code, str(tmp_path / "keys" / "pseudonym.key")]
    running = [
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) for _ in range(12)
    ]
    ended: list[Any] = [process.communicate() for process in running]
    assert all(process.returncode == 0 for process in running), ended
    assert len({out for out, _ in ended}) == 1


def test_an_empty_key_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "k").touch()
    with pytest.raises(BadInput, match="restore it or name another"):
        load_key(tmp_path / "k")
