"""Caches have a place also for an account without a writable home."""

import os
from pathlib import Path

import pytest

from flame.core.caches import ensure_caches


@pytest.fixture
def service_account(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Return a source folder that cannot be written; neither can the home."""
    for name in ("NUMBA_CACHE_DIR", "MPLCONFIGDIR", "XDG_CACHE_HOME", "XDG_CONFIG_HOME"):
        monkeypatch.setenv(name, "")
    monkeypatch.setenv("HOME", "/nonexistent")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    allowed = os.access
    monkeypatch.setattr(
        os, "access", lambda path, mode: Path(path).is_relative_to(tmp_path) and allowed(path, mode)
    )
    return Path("/")


def test_it_is_in_the_temporary_folder_of_the_account_alone(service_account: Path) -> None:
    ensure_caches(service_account)
    folder = Path(os.environ["NUMBA_CACHE_DIR"])
    assert os.environ["MPLCONFIGDIR"] == str(folder)
    assert folder.is_dir()
    assert folder.stat().st_mode & 0o077 == 0
    ensure_caches(service_account)
    assert os.environ["NUMBA_CACHE_DIR"] == str(folder)


def test_a_folder_that_others_may_write_is_not_used(service_account: Path, tmp_path: Path) -> None:
    shared = tmp_path / f"flame-caches-{os.getuid()}"
    shared.mkdir()
    shared.chmod(0o777)
    ensure_caches(service_account)
    assert os.environ["NUMBA_CACHE_DIR"] != str(shared)


def test_compiled_code_lies_beside_the_source_where_it_can_be_written(
    service_account: Path, tmp_path: Path
) -> None:
    ensure_caches(tmp_path)
    assert os.environ["NUMBA_CACHE_DIR"] == ""


def test_nothing_changes_where_the_home_can_be_written(
    service_account: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    ensure_caches(service_account)
    assert os.environ["NUMBA_CACHE_DIR"] == os.environ["MPLCONFIGDIR"] == ""
