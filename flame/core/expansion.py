"""Limits on what a small compressed file may become in memory."""

import gzip
import io
import zipfile
import zlib
from pathlib import Path

MOST_BYTES = 2 * 2**30
"""Most bytes that one file may become: more than any volume, table or model that FLAME reads."""
_CHUNK = 2**20


class TooLargeError(ValueError):
    """A file would become larger than ``MOST_BYTES``."""


def unzipped(path: Path, most: int = MOST_BYTES) -> io.BytesIO:
    """Expand a file that is compressed with gzip.

    Args:
        path: the file.
        most: most bytes that it may become.

    Returns:
        Its expanded content.

    Raises:
        TooLargeError: it would become larger. Errors of gzip pass.
    """
    content = io.BytesIO()
    with gzip.open(path) as stream:
        while chunk := stream.read(_CHUNK):
            content.write(chunk)
            check_size(content.tell(), most)
    content.seek(0)
    return content


def check_archive(path: Path, most: int = MOST_BYTES) -> None:
    """Check the declared sizes of a zip archive, such as an .npz file, before it is read.

    Args:
        path: the file.
        most: most bytes that its members may become together.

    Raises:
        TooLargeError: they would become larger. Errors of zipfile pass.
    """
    with zipfile.ZipFile(path) as archive:
        check_size(sum(member.file_size for member in archive.infolist()), most)


def check_deflated(data: bytes, most: int = MOST_BYTES) -> None:
    """Check that deflated bytes become no larger than a limit, without keeping what they become.

    Args:
        data: the bytes.
        most: most bytes that they may become.

    Raises:
        TooLargeError: they would become larger. Errors of zlib pass.
    """
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    total, rest = 0, data
    while rest and not inflater.eof:
        total += len(inflater.decompress(rest, _CHUNK))
        check_size(total, most)
        rest = inflater.unconsumed_tail


def check_size(size: float, most: int = MOST_BYTES) -> None:
    """Check a declared size in bytes.

    Args:
        size: the size.
        most: the largest one.

    Raises:
        TooLargeError: the size is larger.
    """
    if size > most:
        raise TooLargeError(f"it would become larger than {most / 2**30:g} GB")
