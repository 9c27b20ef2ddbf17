"""An account of a service: no home, a read-only share of DICOM files, one folder of its own."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

WITHOUT_ROOT = ("setpriv", "--bounding-set=-all", "--inh-caps=-all")
"""Start of a command for which permissions hold, also where the tests run as root."""


@pytest.fixture
def share(hospital: Path, tmp_path: Path) -> Iterator[Path]:
    """A folder of DICOM files of which neither the files nor what lies beside can be written."""
    share = tmp_path / "share"
    shutil.copytree(hospital / "centre-1/dicom", share / "dicom")
    folders = [share, *(p for p in share.rglob("*") if p.is_dir())]
    for folder in folders:
        folder.chmod(0o555)
    yield share
    for folder in folders:
        folder.chmod(0o755)


def flame(work: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command as the service."""
    command = [sys.executable, "-m", "flame.cli", *arguments]
    if os.geteuid() == 0:
        if shutil.which(WITHOUT_ROOT[0]) is None:
            pytest.skip("the tests run as root, and setpriv is not installed")
        command = [*WITHOUT_ROOT, *command]
    environment = {k: v for k, v in os.environ.items() if not k.startswith("XDG_")}
    environment |= {"HOME": "/nonexistent", "TMPDIR": str(work), "COLUMNS": "300"}
    return subprocess.run(
        command, cwd=work, env=environment, capture_output=True, text=True, check=False
    )


@pytest.mark.slow
def test_a_service_preprocesses_a_read_only_share(share: Path, tmp_path: Path) -> None:
    work = tmp_path / "work"
    work.mkdir()
    before = sorted(share.rglob("*"))
    dicom, out = str(share / "dicom"), str(work / "bids")
    inspected = flame(work, "inspect", dicom)
    assert inspected.returncode == 0, inspected.stderr
    options = ("--spacing", "4")
    refused = flame(work, "preprocess", dicom, out, *options)
    assert refused.returncode == 2
    assert "--key" in refused.stderr
    assert "Traceback" not in refused.stderr
    done = flame(work, "preprocess", dicom, out, *options, "--key", str(work / "key"))
    assert done.returncode == 0, done.stderr
    quality = pd.read_csv(work / "bids" / "quality.tsv", sep="\t")
    assert set(quality.quality) <= {"pass", "review"}, list(quality.note)
    assert len(quality) == 2
    assert sorted(share.rglob("*")) == before
