"""Small files that would fill the memory are refused from what they declare."""

import gzip
import zipfile
import zlib
from pathlib import Path

import pytest

from flame.core.expansion import TooLargeError, check_archive, check_deflated, check_size, unzipped


def test_gzip(tmp_path: Path) -> None:
    path = tmp_path / "t.csv.gz"
    path.write_bytes(gzip.compress(b"a,b\n1,2\n"))
    assert unzipped(path).read() == b"a,b\n1,2\n"
    path.write_bytes(gzip.compress(bytes(3 * 2**20)))
    with pytest.raises(TooLargeError, match="larger than"):
        unzipped(path, most=2**21)


def test_archives_by_their_directory(tmp_path: Path) -> None:
    path = tmp_path / "m.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("one", bytes(2**20))
        archive.writestr("two", bytes(2**20))
    check_archive(path, most=2**21)
    with pytest.raises(TooLargeError):
        check_archive(path, most=2**21 - 1)


def test_deflated_bytes() -> None:
    deflate = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    data = deflate.compress(bytes(2**22)) + deflate.flush()
    check_deflated(data, most=2**22)
    with pytest.raises(TooLargeError):
        check_deflated(data, most=2**22 - 1)


def test_declared_sizes() -> None:
    check_size(2 * 2**30)
    with pytest.raises(TooLargeError, match="larger than 2 GB"):
        check_size(2 * 2**30 + 1)
