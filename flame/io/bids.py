"""BIDS derivatives: preprocessed sessions written, and read back as a cohort."""

import gzip
import json
import os
import shutil
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from flame import __version__
from flame.core.cohort import Timepoint
from flame.core.files import write_text
from flame.core.imaging import LabelMap, Scan, Sequence

_SUFFIX = {
    Sequence.T1: "space-{space}_desc-preproc_T1w",
    Sequence.T1C: "ce-gad_space-{space}_desc-preproc_T1w",
    Sequence.T2: "space-{space}_desc-preproc_T2w",
    Sequence.FLAIR: "space-{space}_desc-preproc_FLAIR",
}
_BRAIN = "space-{space}_desc-brain_mask"
BIDS_VERSION = "1.10.0"


def session_folder(root: Path, subject: str, session: str) -> Path:
    """Folder of one session; it exists only when it is complete."""
    return root / f"sub-{subject}" / f"ses-{session}"


def _anat(folder: Path, subject: str, session: str, entities: str, space: str) -> Path:
    return folder / "anat" / f"sub-{subject}_ses-{session}_{entities.format(space=space)}"


def write_session(
    root: Path,
    subject: str,
    session: str,
    timepoint: Timepoint,
    space: str,
    sidecar: dict[str, Any],
) -> None:
    """Write scans, brain mask and sidecars; the session folder appears only when whole."""
    final = session_folder(root, subject, session)
    partial = root / f".partial-{subject}-{session}-{os.getpid()}"
    shutil.rmtree(partial, ignore_errors=True)
    try:
        (partial / "anat").mkdir(parents=True)
        for sequence, scan in timepoint.scans.items():
            stem = _anat(partial, subject, session, _SUFFIX[sequence], space)
            _save(stem, scan.voxels, scan.affine)
            meta = {**sidecar, "Sequence": str(sequence), "Stages": list(scan.history)}
            Path(f"{stem}.json").write_text(json.dumps(meta, indent=2))
        if timepoint.brain is not None:
            stem = _anat(partial, subject, session, _BRAIN, space)
            _save(stem, timepoint.brain.voxels, timepoint.brain.affine)
            Path(f"{stem}.json").write_text(json.dumps({**sidecar, "Type": "Brain"}, indent=2))
        final.parent.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(final, ignore_errors=True)
        os.replace(partial, final)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _save(stem: Path, voxels: NDArray[Any], affine: NDArray[np.float64]) -> None:
    image = nib.Nifti1Image(voxels, affine)
    image.header.set_xyzt_units("mm", "sec")
    # Level 1 is five times faster than the default and hardly larger; no time stamp is written.
    with (
        open(f"{stem}.nii.gz", "wb") as raw,
        gzip.GzipFile("", "wb", compresslevel=1, fileobj=raw, mtime=0) as stream,
    ):
        stream.write(image.to_bytes())


def session_sidecar(root: Path, subject: str, session: str) -> dict[str, Any] | None:
    """Return the sidecar of a finished session's brain mask, or None."""
    folder = session_folder(root, subject, session)
    for path in sorted(folder.glob("anat/*_desc-brain_mask.json")):
        content: dict[str, Any] = json.loads(path.read_text())
        return content
    return None


def write_dataset_description(root: Path, name: str, simulated: bool) -> None:
    """Write dataset_description.json and the ignore file for what BIDS has no name for."""
    description = {
        "Name": name,
        "BIDSVersion": BIDS_VERSION,
        "DatasetType": "derivative",
        "GeneratedBy": [{"Name": "FLAME", "Version": __version__}],
        "Simulated": simulated,
    }
    write_text(root / "dataset_description.json", json.dumps(description, indent=2))
    write_text(root / ".bidsignore", "treatments.tsv\nquality.tsv\nrefused.tsv\n")


def read_timepoint(root: Path, subject: str, session: str, day: int) -> Timepoint:
    """Read every preprocessed scan of a session, float32, on its own grid."""
    folder = session_folder(root, subject, session)
    scans = {}
    for sequence, suffix in _SUFFIX.items():
        pattern = f"anat/sub-{subject}_ses-{session}_{suffix.format(space='*')}.nii.gz"
        for path in sorted(folder.glob(pattern)):
            image = nib.load(path)
            scans[sequence] = Scan(
                image.get_fdata(dtype=np.float32), image.affine, sequence, ("bids",)
            )
    brain = None
    for path in sorted(folder.glob(f"anat/*_{_BRAIN.format(space='*')}.nii.gz")):
        image = nib.load(path)
        brain = LabelMap(np.asarray(image.dataobj, np.uint8), image.affine)
    return Timepoint(day, scans, brain)
