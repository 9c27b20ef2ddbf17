"""Brain extraction of whole heads: Dice with HD-BET and CPU time, for each method.

    python benchmarks/brain_extraction.py DATA [--quick]

Needs the extra hd-bet, which --quick leaves out. The heads are a healthy T1, the unstripped MNI152
template, the T1 of a Philips scanner, and the T1c of 16 days of patients after chemoradiotherapy
(slices of 6.5 mm). A method that refuses an image has no mask. The first call of a method loads its
network and is not timed.
"""

import argparse
import gzip
import json
import tarfile
import tempfile
import time
from pathlib import Path

import nibabel as nib
import numpy as np
from result_line import add_quick, print_result_line

from flame.core.errors import StageFailed
from flame.core.imaging import LabelMap, Scan, Sequence
from flame.io.dicom.intake import inspect_folder
from flame.io.dicom.pixels import read_scan
from flame.preprocessing.stages.brain_extraction import BRAIN_METHODS

PHILIPS = "dicom/philips_elitionX_T1_MPRAGE_dcm_qa_philips_enh.tar"
PATIENTS = "imaging/brain_tumor_progression"
REFERENCE = "hd-bet"


def nifti(path: Path) -> Scan:
    """Read a head of one volume; its lowest value becomes 0."""
    image = nib.load(path)
    voxels = np.squeeze(image.get_fdata(dtype=np.float32))
    return Scan(voxels - voxels.min(), np.asarray(image.affine, float), Sequence.T1)


def philips(archive: Path) -> Scan:
    """Read the T1 from an archive of compressed DICOM files."""
    with tempfile.TemporaryDirectory() as folder:
        with tarfile.open(archive) as tar:
            tar.extractall(folder, filter="data")
        for packed in Path(folder).rglob("*.gz"):
            packed.with_suffix("").write_bytes(gzip.decompress(packed.read_bytes()))
            packed.unlink()
        (study,) = inspect_folder(Path(folder)).studies().values()
        geometry = study[Sequence.T1].geometry
        assert geometry is not None
        return read_scan(geometry, Sequence.T1)


def brain_by(method: str, scan: Scan) -> np.ndarray | None:
    """Return the mask of a method, or None if it refuses the image."""
    try:
        return BRAIN_METHODS[method](scan)
    except StageFailed:
        return None


def dice_of(mask: np.ndarray | None, reference: np.ndarray | None) -> float:
    """Return the Dice with the reference; NaN without a reference or a mask."""
    if reference is None or mask is None:
        return float("nan")
    return float(2 * (mask & reference).sum() / (mask.sum() + reference.sum()))


def volume_ml(mask: np.ndarray | None, scan: Scan) -> float:
    """Return the volume of a mask in ml; NaN without a mask."""
    if mask is None:
        return float("nan")
    return LabelMap(mask.astype(np.uint8), scan.affine).volume


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    add_quick(parser, "the first head only, without HD-BET, which takes minutes")
    arguments = parser.parse_args()
    heads = {"healthy T1": nifti(arguments.data / "heads/t1_crop.nii.gz")}
    if not arguments.quick:
        mni = arguments.data / "templates/brats_mni152_t1_1mm_unstripped.nii.gz"
        heads |= {"MNI152": nifti(mni), "Philips T1": philips(arguments.data / PHILIPS)}
        for path in sorted((arguments.data / PATIENTS).glob("*/*_t1c.nii.gz")):
            heads[f"{path.parent.name} {path.name.split('_')[0]}"] = nifti(path)
    methods = [m for m in BRAIN_METHODS if not (arguments.quick and m == REFERENCE)]
    for method in methods:
        BRAIN_METHODS[method](next(iter(heads.values())))
    figures = []
    for head, scan in heads.items():
        masks = {}
        seconds = {}
        for method in methods:
            start = time.process_time()
            masks[method] = brain_by(method, scan)
            seconds[method] = time.process_time() - start
        for method, mask in masks.items():
            dice = dice_of(mask, masks.get(REFERENCE))
            ml = volume_ml(mask, scan)
            print(f"{head:12} {method:8} Dice {dice:.3f}  {ml:6.0f} ml  {seconds[method]:5.1f} s")
            figures.append(
                {"head": head, "method": method, "dice": dice, "ml": ml, "cpu_s": seconds[method]}
            )
    print(json.dumps({"unit": "Dice with HD-BET", "figures": figures}))
    headline = {
        f"{row['head']}, {row['method']}": {name: row[name] for name in ("dice", "ml", "cpu_s")}
        for row in figures
    }
    print_result_line(__file__, arguments.quick, headline)


if __name__ == "__main__":
    main()
