"""Tables in archives, as ARFF and without a header: read alike, or refused by name."""

import gzip
import re
import zipfile
from pathlib import Path

import pandas as pd
import pytest
from scipy.io import arff

from flame.core.errors import BadInput
from flame.io.tables import read_table

ROWS = ["1.5,yes", "2,no", ",yes"]
PLAIN = "\n".join(["dose,response", *ROWS])
ARFF = """% a comment
@RELATION 'a study'

@attribute 'dose in Gy' NUMERIC
@attribute response {yes, no}
@DATA
1.5,yes
2,no
?,yes
"""


def zipped(path: Path, files: dict[str, str]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return path


def test_a_table_alone_in_an_archive_is_the_table(tmp_path: Path) -> None:
    plain = tmp_path / "t.csv"
    plain.write_text(PLAIN, encoding="utf-8-sig")  # with the mark that spreadsheets write
    expected = read_table(plain)
    assert expected.columns.tolist() == ["dose", "response"]
    packed = tmp_path / "t.csv.gz"
    packed.write_bytes(gzip.compress(PLAIN.encode()))
    both = zipped(tmp_path / "t.zip", {"folder/t.csv": PLAIN, "__MACOSX/t.csv": "x"})
    for path in (packed, both):
        pd.testing.assert_frame_equal(read_table(path), expected)


def test_an_archive_of_several_tables_is_refused(tmp_path: Path) -> None:
    path = zipped(tmp_path / "t.zip", {"a.csv": PLAIN, "b.csv": PLAIN})
    with pytest.raises(BadInput, match=r"t\.zip holds 2 files"):
        read_table(path)


@pytest.mark.parametrize("suffix", [".gz", ".zip"])
def test_a_damaged_archive_is_named(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"t.csv{suffix}"
    path.write_bytes(b"PK\x03\x04 no archive")
    with pytest.raises(BadInput, match=rf"t\.csv\{suffix} is not a complete \{suffix} file"):
        read_table(path)


def test_arff_is_what_an_independent_reader_finds(tmp_path: Path) -> None:
    path = tmp_path / "t.arff"
    path.write_text(ARFF)
    found = read_table(path, ["dose in Gy", "response"])
    rows, _ = arff.loadarff(path)
    assert pd.to_numeric(found["dose in Gy"]).fillna(-1).tolist() == [1.5, 2.0, -1.0]
    assert pd.Series(rows["dose in Gy"]).fillna(-1).tolist() == [1.5, 2.0, -1.0]
    assert found.response.tolist() == [value.decode() for value in rows["response"]]
    pd.testing.assert_frame_equal(read_table(zipped(tmp_path / "a.zip", {"t.arff": ARFF})), found)


def test_comments_empty_lines_and_tabs_of_arff(tmp_path: Path) -> None:
    path = tmp_path / "t.arff"
    head = "@attribute a real\n@attribute b {x,y}\n@data\n"
    for rows in ("% a comment\n1,x\n\n,y\n%\n%\n", "1\tx\n?\ty\n"):
        path.write_text(head + rows)
        found = read_table(path)
        assert found.b.tolist() == ["x", "y"]
        assert found.a.isna().tolist() == [False, True]


def test_an_encrypted_archive_is_refused(tmp_path: Path) -> None:
    path = zipped(tmp_path / "t.zip", {"t.csv": PLAIN})
    content = bytearray(path.read_bytes())
    for mark, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(mark) + flags] |= 1  # the bit that says encrypted
    path.write_bytes(content)
    with pytest.raises(BadInput, match=r"t\.zip is encrypted"):
        read_table(path)


def test_quoted_cells_of_arff(tmp_path: Path) -> None:
    path = tmp_path / "t.arff"
    path.write_text("@attribute place {'a, b', c}\n@attribute x real\n@data\n'a, b', 1\nc, 2\n")
    found = read_table(path)
    assert found.place.tolist() == ["a, b", "c"]
    assert found.x.tolist() == ["1", "2"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("@relation r\n@attribute a numeric\n1\n", "has no line @data"),
        ("@relation r\n@data\n1\n", "declares no @attribute"),
        ("@attribute a real\n@attribute a real\n@data\n1,2\n", "declares a column twice"),
        ("@attribute a numeric\n@attribute b numeric\n@data\n{0 1, 1 3}\n", "sparse rows"),
    ],
)
def test_arff_that_is_no_table_is_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "t.arff"
    path.write_text(text)
    with pytest.raises(BadInput, match=message):
        read_table(path)


@pytest.mark.parametrize("rows", ["1.5,2,yes\n3,4,no", "0.5,0.5,yes\n3,4,no"])
def test_a_table_without_a_header_takes_names_or_is_refused(tmp_path: Path, rows: str) -> None:
    path = tmp_path / "t.csv"
    path.write_text(rows)
    found = read_table(path, ["age"], ("age", "dose", "response"))
    assert found.response.tolist() == ["yes", "no"]
    with pytest.raises(BadInput, match=r"t\.csv has .*no header line"):
        read_table(path, ["age"])
    with pytest.raises(BadInput, match=re.escape("has 3 columns, but 2 names")):
        read_table(path, ["age"], ("age", "dose"))
