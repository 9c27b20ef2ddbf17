"""Brain-Tumor-Progression as DICOM: a small download in the layout of TCIA."""

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from pydicom.uid import SecondaryCaptureImageStorage

from flame.core.imaging import Sequence
from flame.io.datasets.brain_tumor_progression import BrainTumorProgression
from flame.io.dicom.pixels import read_scan
from tests.helpers.dicom_series import write_mr_series

STUDY = "PGBM-001/{}-NA-MR RCBV SEQUENCE FH-4631"
SLICES = 20


def day(root: Path, study: str, when: str, placed: bool = True) -> None:
    """A T1post, a mask of voxel (row 2, column 3, slice 5 of 20), and a series that is not read."""
    folder = root / STUDY.format(study)
    about = {"PatientID": "PGBM-001", "StudyDate": when, "StudyInstanceUID": f"1.2.{when}"}
    image = folder / "11.000000-T1post-73420"
    paths = write_mr_series(
        image, SLICES, 6.5, series=f"{when}1", SeriesDescription="T1post", **about
    )
    write_mr_series(folder / "12-FLAIRreg-1", SLICES, series=f"{when}2", **about)
    for z, _ in enumerate(paths):
        plane = np.zeros((8, 6), np.uint16)
        plane[2, 3] = z == 5
        write_mr_series(
            folder / "13.000000-MaskTumor-54484",
            positions=np.array([[0, 0, 6.5 * z]]),
            series=f"{when}3{z}",
            SeriesDescription="Mask_Tumor",
            SOPClassUID=SecondaryCaptureImageStorage,
            PixelData=plane.tobytes(),
            InstanceNumber=z + 1,
            **({} if placed else {"ImagePositionPatient": None}),
            **about,
        )


def test_days_image_and_mask(tmp_path: Path) -> None:
    root = tmp_path / "Brain-Tumor-Progression"
    day(root, "04-02-1992", "19920402")
    day(root, "06-04-1992", "19920604")
    data = BrainTumorProgression().read(root)
    assert [(v.patient, v.day) for v in data.visits] == [("PGBM-001", 0), ("PGBM-001", 63)]
    for visit in data.visits:
        geometry = visit.scans[Sequence.T1C]
        scan = read_scan(geometry, Sequence.T1C)
        mask = nib.load(visit.tumour)
        assert mask.shape == scan.voxels.shape == (6, 8, SLICES)
        assert np.allclose(mask.affine, scan.affine)
        ((x, y, z),) = np.argwhere(np.asarray(mask.dataobj) > 0)
        # By hand: column 3 and row 2 at 1.25 and 1.5 mm, slice 5 at 6.5 mm; LPS becomes RAS.
        assert (scan.affine @ [x, y, z, 1])[:3] == pytest.approx([-3.75, -3.0, 32.5])
    assert data.missing[-1] == "no dose, plan or start of radiotherapy"


def test_masks_without_a_position_do_not_lie_somewhere(tmp_path: Path) -> None:
    """The slices of T1post have no InstanceNumber here, so that nothing tells where they lie."""
    root = tmp_path / "Brain-Tumor-Progression"
    day(root, "04-02-1992", "19920402")
    day(root, "06-04-1992", "19920604", placed=False)
    data = BrainTumorProgression().read(root)
    assert [v.day for v in data.visits] == [0]
    assert "PGBM-001, day 2 of 2: masks that do not lie on the slices of T1post" in data.missing


def test_an_image_with_a_gap_is_no_day(tmp_path: Path) -> None:
    root = tmp_path / "Brain-Tumor-Progression"
    day(root, "04-02-1992", "19920402")
    day(root, "06-04-1992", "19920604")
    folder = root / STUDY.format("06-04-1992") / "11.000000-T1post-73420"
    sorted(folder.iterdir())[7].unlink()
    data = BrainTumorProgression().read(root)
    assert [v.day for v in data.visits] == [0]
    assert any("day 2 of 2: T1post:" in line for line in data.missing)
