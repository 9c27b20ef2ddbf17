"""Compiled code has a place also for an account without a writable home."""

import os
from pathlib import Path

import pytest

from flame.core.compiled_cache import ensure_compiled_cache


@pytest.fixture
def service_account(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Return a source folder that cannot be written; neither can the home."""
    monkeypatch.setenv("NUMBA_CACHE_DIR", "")
    monkeypatch.setenv("HOME", "/nonexistent")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    allowed = os.access
    monkeypatch.setattr(
        os, "access", lambda path, mode: Path(path).is_relative_to(tmp_path) and allowed(path, mode)
    )
    return Path("/")


def test_it_is_in_the_temporary_folder_of_the_account_alone(service_account: Path) -> None:
    ensure_compiled_cache(service_account)
    folder = Path(os.environ["NUMBA_CACHE_DIR"])
    assert folder.is_dir()
    assert folder.stat().st_mode & 0o077 == 0
    ensure_compiled_cache(service_account)
    assert os.environ["NUMBA_CACHE_DIR"] == str(folder)


def test_a_folder_that_others_may_write_is_not_used(service_account: Path, tmp_path: Path) -> None:
    shared = tmp_path / f"flame-compiled-{os.getuid()}"
    shared.mkdir()
    shared.chmod(0o777)
    ensure_compiled_cache(service_account)
    assert os.environ["NUMBA_CACHE_DIR"] != str(shared)


def test_nothing_changes_where_the_source_can_be_written(
    service_account: Path, tmp_path: Path
) -> None:
    ensure_compiled_cache(tmp_path)
    assert os.environ["NUMBA_CACHE_DIR"] == ""
