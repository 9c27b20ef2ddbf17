"""A table of NIfTI files: days, masks, corrected headers, and no name of a participant."""

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from flame.core.errors import BadInput
from flame.core.imaging import Sequence
from flame.io.datasets.layout import DATASETS, PublicData

HEADER = "participant,date,sequence,path,mask,spacing,centre,age,mrn,note\n"


def table(folder: Path, *rows: str, header: str = HEADER) -> Path:
    for name in ("a.nii.gz", "b.nii.gz", "m.nii.gz"):
        affine = np.diag([-1.0, 1.0, 1.0, 1.0])
        affine[:3, 3] = (90, -100, -70)
        nib.save(
            nib.Nifti1Image(np.arange(60, dtype=np.int16).reshape(3, 4, 5), affine), folder / name
        )
    path = folder / "files.csv"
    path.write_text(header + "".join(f"{row}\n" for row in rows))
    return path


def read(path: Path) -> PublicData:
    return DATASETS["nifti"].read(path)


def test_days_masks_centres_and_clinical_values(tmp_path: Path) -> None:
    path = table(
        tmp_path,
        "Doe,2020-03-01,T1C,a.nii.gz,m.nii.gz,,north,61,7731,x",
        "Doe,2020-01-01,t1c,a.nii.gz,,,north,61,7731,x",
        "Doe,2020-01-01,FLAIR,b.nii.gz,,,north,61,7731,x",
        "Roe,2021-05-05,T1,b.nii.gz,,,south,,7732,x",
    )
    data = read(path)
    assert sorted(v.day for v in data.visits) == [0, 0, 60]
    last = next(v for v in data.visits if v.day == 60)
    assert last.tumour == tmp_path / "m.nii.gz"
    first = next(v for v in data.visits if v.patient == last.patient and v.day == 0)
    assert set(first.scans) == {Sequence.T1C, Sequence.FLAIR}
    assert data.centres[last.patient] == "north"
    assert data.clinical[last.patient] == {"age": 61.0}
    assert data.missing[-1].endswith("identifiers left out: note, mrn")
    assert "Doe" not in repr(data)
    assert {v.patient for v in read(path).visits} == {v.patient for v in data.visits}


def test_days_may_be_given(tmp_path: Path) -> None:
    header = "participant,day,sequence,path\n"
    (visit,) = read(table(tmp_path, "Doe,-7,T1,a.nii.gz", header=header)).visits
    assert visit.day == -7


def test_a_wrong_voxel_size_is_corrected_around_the_centre(tmp_path: Path) -> None:
    path = table(tmp_path, "Doe,2020-01-01,T1,a.nii.gz,,1x1x6.5,,,,")
    (visit,) = read(path).visits
    before = nib.load(tmp_path / "a.nii.gz")
    after = nib.load(visit.scans[Sequence.T1])
    assert np.allclose(after.header.get_zooms(), (1, 1, 6.5))
    assert np.allclose(after.affine @ [1, 1.5, 2, 1], before.affine @ [1, 1.5, 2, 1])
    assert np.array_equal(np.asarray(after.dataobj), np.asarray(before.dataobj))


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (["Doe,01.02.2020,T1,a.nii.gz,,,,,,"], "line 2, column date: write dates as"),
        (["Doe,2020-01-01,T9,a.nii.gz,,,,,,"], "line 2: unknown sequence; did you mean 'T2'"),
        (["Doe,2020-01-01,T1,c.nii.gz,,,,,,"], "line 2, column path: no file"),
        (["Doe,2020-01-01,T1,,,,,,,"], "line 2: column path is empty"),
        ([",2020-01-01,T1,a.nii.gz,,,,,,"], "line 2: column participant is empty"),
        (["Doe,2020-01-01,T1,a.nii.gz,,1x2,,,,"], "write three sizes in mm"),
        (["Doe,2020-01-01,T1,a.nii.gz,,,,,,"] * 2, "line 3: a second T1 of this participant"),
    ],
)
def test_wrong_rows_name_the_line(tmp_path: Path, rows: list[str], message: str) -> None:
    with pytest.raises(BadInput, match=message):
        read(table(tmp_path, *rows))


def test_a_table_without_days_or_no_table_is_refused(tmp_path: Path) -> None:
    header = "participant,sequence,path\n"
    with pytest.raises(BadInput, match="neither a column 'date' nor a column 'day'"):
        read(table(tmp_path, "Doe,T1,a.nii.gz", header=header))
    with pytest.raises(BadInput, match="is no table; give one with the columns participant"):
        read(tmp_path)
