"""Intake beside dcm2niix: affine and intensities of every MR series below a folder.

    python benchmarks/intake.py FOLDER [--each]
    python benchmarks/intake.py --quick

Each SeriesInstanceUID is converted by dcm2niix (Debian package; 1.0.20220505 or newer) and read by
FLAME. A stack of FLAME agrees with a volume of dcm2niix if, in the same orientation of voxels, the
affines differ by at most 0.02 mm at every corner, and the intensities by at
most 1e-5 of their range. The verdict on the sequence plays no part. What FLAME refuses is counted
with its reason; a stack that FLAME reads and dcm2niix does not, or not alike, is a disagreement.
"""

import argparse
import gzip
import shutil
import subprocess
import tempfile
import warnings
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import nibabel as nib
import numpy as np
from result_line import add_quick, print_result_line

from flame.core.errors import BadInput, FlameError
from flame.core.imaging import Sequence
from flame.io.dicom.geometry import Geometry, check_geometry
from flame.io.dicom.headers import read_headers
from flame.io.dicom.pixels import read_scan
from flame.io.dicom.series import Series, group_series
from flame.pipelines import simulate

KINDS = ("agreement", "refused", "disagreement")
"""Results of one stack."""
MILLIMETRES = 2e-2
"""Largest accepted distance between corners of two volumes."""
INTENSITY = 1e-5
"""Largest accepted difference of intensities, as a fraction of their range."""


def images(folder: Path) -> list[nib.Nifti1Image]:
    """Convert the files of a folder, and return its volumes in RAS order, time points apart."""
    with tempfile.TemporaryDirectory() as out:
        subprocess.run(
            ["dcm2niix", "-b", "n", "-z", "n", "-p", "n", "-f", "%s_%d_%e", "-o", out, str(folder)],
            capture_output=True,
            timeout=600,
        )
        volumes = []
        for path in sorted(Path(out).glob("*.nii")):
            image = nib.load(path)
            if image.get_data_dtype().kind == "V":  # colours
                continue
            data = np.asarray(image.dataobj, np.float64)
            data = data[..., None] if data.ndim == 3 else data
            for t in range(data.shape[3] if data.ndim == 4 else 0):
                volume = nib.Nifti1Image(data[..., t], image.affine)
                volumes.append(nib.as_closest_canonical(volume))
        return volumes


def place(path: Path, target: Path) -> None:
    """Link a file, or unpack it: dcm2niix does not read gzip."""
    if path.suffix == ".gz":
        target.write_bytes(gzip.decompress(path.read_bytes()))
    else:
        target.symlink_to(path.resolve())


def difference(ours: nib.Nifti1Image, theirs: nib.Nifti1Image) -> tuple[float, float]:
    """Return the largest distance of corners in mm, and the difference of intensities."""
    if ours.shape != theirs.shape:
        return np.inf, np.inf
    corners = np.array(np.meshgrid(*[(0, n - 1) for n in ours.shape], indexing="ij")).reshape(3, 8)
    corners = np.vstack([corners, np.ones(8)])
    distance = np.linalg.norm((ours.affine @ corners - theirs.affine @ corners)[:3], axis=0).max()
    a, b = np.asarray(ours.dataobj), np.asarray(theirs.dataobj)
    return float(distance), float(np.abs(a - b).max() / max(np.ptp(b), 1e-9))


def compared(series: Series, theirs: list[nib.Nifti1Image]) -> tuple[str, str]:
    """Return the kind of result of one stack, and its detail."""
    checked = check_geometry(series)
    if not isinstance(checked, Geometry):
        return "refused", checked.split(";")[0]
    try:
        scan = read_scan(checked, Sequence.T1)
    except FlameError as error:
        return "refused", str(error).split(": ")[-1]
    if not theirs:
        return "disagreement", "dcm2niix converts nothing"
    ours = nib.as_closest_canonical(nib.Nifti1Image(scan.voxels.astype(np.float64), scan.affine))
    found = [difference(ours, volume) for volume in theirs]
    best = min(found, key=lambda d: (d[0] > MILLIMETRES, d[1]))
    if best[0] <= MILLIMETRES and best[1] <= INTENSITY:
        return "agreement", ""
    if not np.isfinite(best[0]):
        shapes = sorted({v.shape for v in theirs})
        return "disagreement", f"{ours.shape} voxels, dcm2niix {shapes}"
    return "disagreement", f"{best[0]:.4f} mm, intensities {best[1]:.2g} of their range"


def groups(folder: Path) -> Iterator[list[Series]]:
    """Yield the stacks of each SeriesInstanceUID."""
    try:
        instances, _ = read_headers(folder)
    except BadInput:  # no DICOM there
        return
    by_uid: dict[str, list[Series]] = {}
    for series in group_series(instances):
        by_uid.setdefault(str(series.header.get("SeriesInstanceUID", "")), []).append(series)
    yield from by_uid.values()


def run(folder: Path) -> Counter[str]:
    """Compare every series below a folder, print what does not agree, and count the results."""
    counts: Counter[str] = Counter()
    for stacks in groups(folder):
        with tempfile.TemporaryDirectory() as copies:
            paths = sorted({i.path for s in stacks for i in s.instances})
            for n, path in enumerate(paths):
                place(path, Path(copies) / f"{n:05d}")
            theirs = images(Path(copies))
        for stack in stacks:
            kind, detail = compared(stack, theirs)
            counts[kind] += 1
            if detail:
                print(f"{kind}: {stack.folder.name}, {stack.description}: {detail}", flush=True)
    return counts


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, nargs="?", help="folder with DICOM files")
    parser.add_argument("--each", action="store_true", help="each folder in FOLDER by itself")
    add_quick(parser, "the series of a simulated patient")
    arguments = parser.parse_args()
    if not shutil.which("dcm2niix"):
        raise SystemExit("dcm2niix is not installed: apt-get install dcm2niix")
    warnings.filterwarnings("ignore")  # of pydicom, on values that no reader needs
    with tempfile.TemporaryDirectory() as temporary:
        if arguments.quick:
            simulate.run(simulate.SimulateConfig(temporary, 1, 1, 4.0, jobs=1))
        elif not arguments.folder:
            parser.error("give a folder, or --quick")
        folder = Path(temporary) if arguments.quick else arguments.folder
        counts = compare_folders(sorted(folder.iterdir()) if arguments.each else [folder])
    print_result_line(__file__, arguments.quick, {kind: counts[kind] for kind in KINDS})


def compare_folders(folders: list[Path]) -> Counter[str]:
    """Compare the series of each folder, print a line for it, and return the counts of all."""
    counts: Counter[str] = Counter()
    for folder in filter(Path.is_dir, folders):
        found = run(folder)
        print(f"{folder.name}: " + ", ".join(f"{found[kind]} {kind}" for kind in KINDS), flush=True)
        counts += found
    return counts


if __name__ == "__main__":
    main()
