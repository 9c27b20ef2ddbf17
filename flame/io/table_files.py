"""The files that tables come in: plain, gzipped, alone in a zip archive, and ARFF of Weka."""

import io
import re
import zipfile
from pathlib import Path
from typing import BinaryIO, TextIO

from flame.core.errors import BadInput
from flame.core.expansion import check_archive, unzipped

_ATTRIBUTE = re.compile(r"@attribute\s+('(?:[^'\\]|\\.)*'|\"[^\"]*\"|\S+)\s+\S", re.IGNORECASE)


def opened(path: Path) -> tuple[BinaryIO, str]:
    """Open the content of a table.

    Args:
        path: the table, or a gzip file or zip archive that holds it alone.

    Returns:
        Its expanded bytes, and the name of the table itself.

    Raises:
        BadInput: the archive holds no file or several, or is encrypted.
        TooLargeError: the content would become too large. Errors of gzip and zipfile pass.
    """
    if path.suffix == ".gz":
        return unzipped(path), path.stem
    if path.suffix == ".zip":
        check_archive(path)
        with zipfile.ZipFile(path) as archive:
            files = [m for m in archive.infolist() if not _is_hidden(m)]
            if len(files) != 1:
                raise BadInput(
                    f"{path} holds {len(files)} files, and a table must be alone in an archive; "
                    "unpack it, and name the table"
                )
            try:
                return io.BytesIO(archive.read(files[0])), files[0].filename
            except (RuntimeError, NotImplementedError):  # encrypted, or packed in a rare way
                raise BadInput(
                    f"{path} is encrypted or packed in a way that FLAME cannot read; unpack it"
                ) from None
    return path.open("rb"), path.name


def _is_hidden(member: zipfile.ZipInfo) -> bool:
    """Check for folders, and for what macOS adds to archives."""
    parts = Path(member.filename).parts
    return member.is_dir() or "__MACOSX" in parts or parts[-1].startswith(".")


def arff_rows(stream: TextIO) -> io.StringIO:
    """Return the rows of an ARFF file without its comments and empty lines, up to the end."""
    return io.StringIO("".join(x for x in stream if x.strip() and not x.lstrip().startswith("%")))


def arff_columns(stream: TextIO, path: Path) -> list[str]:
    r"""Read the declarations of an ARFF file, up to its rows.

    Args:
        stream: the text; it is left at the first row.
        path: the file, for errors.

    Returns:
        Names of the columns.

    Raises:
        BadInput: the file declares no columns or one twice, or has no ``@data``.

    Reference:
        The Attribute-Relation File Format of Weka (University of Waikato).

    Example:
        >>> text = io.StringIO("@relation r\n@attribute 'a b' numeric\n@ATTRIBUTE c {x,y}\n@data\n")
        >>> arff_columns(text, Path("t.arff"))
        ['a b', 'c']
    """
    names = []
    for line in iter(stream.readline, ""):
        if found := _ATTRIBUTE.match(line.strip()):
            names.append(found[1].strip("'\""))
        if line.strip().lower() == "@data":
            break
    else:
        raise BadInput(f"{path} is not a complete ARFF file: it has no line @data")
    if not names or len(set(names)) < len(names):
        problem = "declares a column twice" if names else "declares no @attribute"
        raise BadInput(f"{path} is not an ARFF file of a table: it {problem}")
    return names
