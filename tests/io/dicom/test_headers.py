"""Headers that are damaged are told from headers that are read."""

from pathlib import Path

import pydicom
import pytest

from flame.io.dicom.headers import read_headers
from tests.helpers.dicom_series import write_mr_series


@pytest.mark.parametrize("uid", ["1.2\\3.4", "1." * 40, "1.2\x00\x0c3"])
def test_an_identifier_that_swallowed_other_elements_is_damage(tmp_path: Path, uid: str) -> None:
    """Its length was damaged: the slice would count as another series, and be missing here."""
    (path, *_) = write_mr_series(tmp_path, slices=2)
    dataset = pydicom.dcmread(path)
    dataset._dict[dataset["SeriesInstanceUID"].tag] = pydicom.dataelem.RawDataElement(
        dataset["SeriesInstanceUID"].tag, "UI", 0, uid.encode(), 0, False, True
    )
    dataset.save_as(path)
    instances, (unreadable,) = read_headers(tmp_path)
    assert len(instances) == 1
    assert unreadable.damaged
    assert "damaged" in unreadable.reason
