"""Writes preprocessed sessions as BIDS derivatives, and reads them back."""

import json
import os
import shutil
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from isal import igzip
from nibabel.spatialimages import HeaderDataError
from nibabel.wrapstruct import WrapStructError
from numpy.typing import NDArray

from flame.core.cohort import Timepoint
from flame.core.files import write_text
from flame.core.imaging import STRUCTURAL, DoseMap, LabelMap, Scan, Sequence
from flame.core.version import __version__
from flame.io.transforms import itk_text, read_transform
from flame.io.tumour_masks import ENHANCING, WHOLE

_NAMES = {
    Sequence.T1: ("", "T1w"),
    Sequence.T1C: ("ce-gad_", "T1w"),
    Sequence.T2: ("", "T2w"),
    Sequence.FLAIR: ("", "FLAIR"),
    Sequence.ADC: ("", "ADC"),
    Sequence.RCBV: ("", "rCBV"),
}
"""Contrast entity (``ce``) and suffix of the file names by sequence."""
_NATIVE = "orig"
"""Name of the space of files on the scan's own grid."""
INDIVIDUAL = "individual"
"""Name of the space of the other files: the patient's own size, turned like the template."""
_BRAIN = "desc-brain_mask"
_OWN_BRAIN = "desc-brain{}_mask"
"""Name of the brain mask on a scan's own grid, by the suffix of the scan."""
_TUMOUR = "label-GTV_mask"
_DOSE = "dose"
_PHASE_DOSE = "desc-phase{}_dose"
_REGION = "label-{}_mask"
_PREDICTED = "label-{}_desc-predicted_mask"
_TRANSFORM = "from-{}_to-{}_mode-image_xfm.txt"
_IGNORED = (
    "treatments.tsv",
    "response.tsv",
    "progression.tsv",
    "quality.tsv",
    "refused.tsv",
    "decisions.tsv",
    "quality.html",
    "preprocess.toml",
    "**/*_xfm.txt",
    "**/*_dose.*",
    "**/*_ADC.*",
    "**/*_rCBV.*",
    "**/*_dvh.tsv",
    "dvh.tsv",
    "**/*_slices.jpg",
)
"""Patterns of .bidsignore: files that the BIDS standard does not define."""
_README = """Brain MRI of one centre, made by `flame preprocess`: see dataset_description.json.

Names are keyed hashes and days count from the start of radiotherapy (sidecars: Day). `quality.html`
shows every day. Images of `space-individual` have the size of the patient, and lie on the grid of a
template. Files `*_xfm.txt` are ITK affine transforms: from each scan's own space to that space, and
from that space to the template.
"""
DOSE_VOLUME = "dvh.tsv"
"""Table of dose-volume figures, and the end of the names of those of the sessions."""
PREDICTED = "_desc-predicted_mask.nii.gz"
"""End of the file names of masks that a model predicted."""
BIDS_VERSION = "1.10.0"
"""Version of the BIDS standard that the folders follow."""


@dataclass(frozen=True, eq=False)
class SessionFiles:
    """The files to write for one session.

    Args:
        timepoint: images, masks and dose in the patient's space.
        moves: (4, 4) RAS+ matrices in mm by sequence, from the scan's own world space to that of
            ``timepoint``.
        native: corrected scans on their own grids; empty: not written.
        native_brains: brain mask of each of these scans, on its grid.
        picture: JPEG with slices; empty: not written.
        notes: parts that were left out, each with its reason.
        ways: how each radiotherapy object was carried to the images.
        dose_volume: dose-volume figures, one row per region.
    """

    timepoint: Timepoint
    moves: Mapping[Sequence, NDArray[np.float64]] = field(default_factory=dict)
    native: Mapping[Sequence, Scan] = field(default_factory=dict)
    native_brains: Mapping[Sequence, LabelMap] = field(default_factory=dict)
    picture: bytes = b""
    notes: list[str] = field(default_factory=list)
    ways: list[str] = field(default_factory=list)
    dose_volume: list[dict[str, Any]] = field(default_factory=list)


def session_folder(root: Path, subject: str, session: str) -> Path:
    """Return the folder of a session.

    Args:
        root: folder of the centre.
        subject: pseudonym of the patient.
        session: name of the session.

    Returns:
        The path; the folder exists only if the session was written completely.
    """
    return root / f"sub-{subject}" / f"ses-{session}"


def picture_path(root: Path, subject: str, session: str) -> Path:
    """Return the path of the picture of a session.

    Args:
        root: folder of the centre.
        subject: pseudonym of the patient.
        session: name of the session.

    Returns:
        Path of a JPEG with slices; the file may be missing.
    """
    name = f"sub-{subject}_ses-{session}_slices.jpg"
    return session_folder(root, subject, session) / "anat" / name


def write_session(
    root: Path,
    subject: str,
    session: str,
    files: SessionFiles,
    sidecar: Mapping[str, Any],
) -> None:
    """Write a session to its folder, and replace an earlier one.

    Files are written to a temporary folder, which is renamed at the end, so that a session is
    either complete or absent.

    Args:
        root: folder of the centre.
        subject: pseudonym of the patient.
        session: name of the session.
        files: images, masks, transforms and picture of the session.
        sidecar: entries of the JSON sidecar of every image.
    """
    final = session_folder(root, subject, session)
    partial = root / f".partial-{subject}-{session}-{os.getpid()}"
    shutil.rmtree(partial, ignore_errors=True)
    stem = partial / "anat" / f"sub-{subject}_ses-{session}_"
    reference = str(sidecar.get("ReferenceSession", session))
    moved = {**sidecar, "SpatialReference": _grid_of(subject, reference)}
    try:
        stem.parent.mkdir(parents=True)
        _write_images(f"{stem}", files.timepoint, moved)
        _write_scans(f"{stem}", files.native, _NATIVE, sidecar)
        for sequence, mask in files.native_brains.items():
            agent, suffix = _NAMES[sequence]
            name = f"{stem}{agent}space-{_NATIVE}_{_OWN_BRAIN.format(suffix)}"
            _save(name, mask.voxels, mask.affine, {**sidecar, "Type": "Brain"})
        for sequence, move in files.moves.items():
            _write_transform(stem, str(sequence), INDIVIDUAL, move)
        day = files.timepoint
        if day.to_template is not None:
            _write_transform(stem, INDIVIDUAL, day.template, day.to_template)
        if files.dose_volume:
            Path(f"{stem}{DOSE_VOLUME}").write_text(_rows_text(files.dose_volume))
        if files.picture:
            Path(f"{stem}slices.jpg").write_bytes(files.picture)
        final.parent.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(final, ignore_errors=True)
        os.replace(partial, final)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _grid_of(subject: str, session: str) -> str:
    """Return the BIDS URI of the image that defines the space of a session."""
    name = f"sub-{subject}_ses-{session}"
    return f"bids::sub-{subject}/ses-{session}/anat/{name}_space-{INDIVIDUAL}_{_BRAIN}.nii.gz"


def _rows_text(rows: list[dict[str, Any]]) -> str:
    lines = [list(rows[0]), *(row.values() for row in rows)]
    return "".join("\t".join(map(str, line)) + "\n" for line in lines)


def _write_transform(
    stem: Path | str, source: str, target: str, matrix: NDArray[np.float64]
) -> None:
    Path(f"{stem}{_TRANSFORM.format(source, target)}").write_text(itk_text(matrix))


def _write_scans(
    stem: str, scans: Mapping[Sequence, Scan], space: str, sidecar: Mapping[str, Any]
) -> None:
    for sequence, scan in scans.items():
        agent, suffix = _NAMES[sequence]
        meta = {
            **sidecar,
            "Sequence": str(sequence),
            "Stages": list(scan.history),
            "SkullStripped": space != _NATIVE,
        }
        name = f"{stem}{agent}space-{space}_desc-preproc_{suffix}"
        _save(name, scan.voxels, scan.affine, meta)


def _write_images(stem: str, timepoint: Timepoint, sidecar: Mapping[str, Any]) -> None:
    space = INDIVIDUAL
    _write_scans(stem, timepoint.scans, space, sidecar)
    if timepoint.brain is not None:
        meta = {**sidecar, "Type": "Brain"}
        _save(f"{stem}space-{space}_{_BRAIN}", timepoint.brain.voxels, timepoint.brain.affine, meta)
    lesions = {_REGION.format(region): mask for region, mask in timepoint.regions.items()}
    if timepoint.tumour is not None:
        lesions[_TUMOUR] = timepoint.tumour
    for name, mask in lesions.items():
        meta = {**sidecar, "Type": "Lesion"}
        _save(f"{stem}space-{space}_{name}", mask.voxels, mask.affine, meta)
    if timepoint.dose is not None:
        dose = timepoint.dose
        meta = {**sidecar, "Units": "Gy", "RBEWeighted": dose.biological}
        _save(f"{stem}space-{space}_{_DOSE}", dose.voxels, dose.affine, meta)
    for number, phase in enumerate(timepoint.phase_doses, 1):
        meta = {**sidecar, "Units": "Gy", "RBEWeighted": phase.biological, "Phase": number}
        name = f"{stem}space-{space}_{_PHASE_DOSE.format(number)}"
        _save(name, phase.voxels, phase.affine, meta)


def _save(
    stem: str, voxels: NDArray[Any], affine: NDArray[np.float64], meta: Mapping[str, Any]
) -> None:
    image = nib.Nifti1Image(voxels, affine)
    image.header.set_xyzt_units("mm", "sec")
    # Nine times faster than zlib at its level 1, and the files are no larger. Without a time
    # stamp, equal voxels give equal bytes.
    with (
        open(f"{stem}.nii.gz", "wb") as raw,
        igzip.IGzipFile("", "wb", compresslevel=1, fileobj=raw, mtime=0) as stream,
    ):
        stream.write(image.to_bytes())
    Path(f"{stem}.json").write_text(json.dumps(dict(meta), indent=2))


def is_complete(root: Path, subject: str, session: str, sequences: Collection[Sequence]) -> bool:
    """Check whether the images of a session are there and not cut short.

    Args:
        root: folder of the centre.
        subject: pseudonym of the patient.
        session: name of the session.
        sequences: sequences that the session has.

    Returns:
        False if the image of a sequence or of a sidecar is missing or has another size than its
        header says, or if the transform to the template is missing.
    """
    folder = session_folder(root, subject, session) / "anat"
    names = [p.name.removesuffix(".json") for p in folder.glob("*.json")]
    suffixes = [f"desc-preproc_{_NAMES[s][1]}" for s in sequences]
    if not any(folder.glob(f"*_{_TRANSFORM.format(INDIVIDUAL, '*')}")):
        return False
    return all(any(n.endswith(s) for n in names) for s in suffixes) and all(
        _is_whole(folder / f"{name}.nii.gz") for name in names
    )


def _is_whole(path: Path) -> bool:
    """Compare the size at the end of a gzip file with the shape in the header of its image."""
    try:
        with path.open("rb") as raw:
            raw.seek(-4, os.SEEK_END)
            size = int.from_bytes(raw.read(4), "little")
            raw.seek(0)
            with igzip.IGzipFile("", "rb", fileobj=raw) as stream:
                header = nib.Nifti1Header.from_fileobj(stream)
    except (OSError, EOFError, ValueError, HeaderDataError, WrapStructError):
        return False
    voxels = int(np.prod(header.get_data_shape())) * header.get_data_dtype().itemsize
    return bool(size == int(header["vox_offset"]) + voxels)


def session_sidecar(root: Path, subject: str, session: str) -> dict[str, Any] | None:
    """Read the JSON sidecar of the brain mask of a session.

    Args:
        root: folder of the centre.
        subject: pseudonym of the patient.
        session: name of the session.

    Returns:
        The sidecar; None if the session is not finished or its sidecar is truncated.
    """
    folder = session_folder(root, subject, session)
    for path in sorted(folder.glob(f"anat/*_{_BRAIN}.json")):
        try:
            content: dict[str, Any] = json.loads(path.read_text())
        except ValueError:  # truncated: the session does not count as finished
            return None
        return content
    return None


def write_dataset_description(root: Path, name: str, simulated: bool) -> None:
    """Write dataset_description.json, README and .bidsignore for files that BIDS does not define.

    Args:
        root: folder of the centre.
        name: name of the data set.
        simulated: whether the images are simulated.
    """
    description = {
        "Name": name,
        "BIDSVersion": BIDS_VERSION,
        "DatasetType": "derivative",
        "GeneratedBy": [{"Name": "FLAME", "Version": __version__}],
        "SourceDatasets": [],
        "Simulated": simulated,
    }
    write_text(root / "dataset_description.json", json.dumps(description, indent=2))
    write_text(root / "README", _README)
    write_text(root / ".bidsignore", "\n".join(_IGNORED) + "\n")


def read_timepoint(
    root: Path,
    subject: str,
    session: str,
    day: int,
    sequences: Collection[Sequence] = STRUCTURAL,
) -> Timepoint:
    """Read a session in the patient's space.

    The tumour is the mask that a person drew. Without one it is the core that a model predicted.

    Args:
        root: folder of the centre.
        subject: pseudonym of the patient.
        session: name of the session.
        day: day of the session, counted from the start of radiotherapy.
        sequences: scans that are read; all masks are read.

    Returns:
        Scans with float32 voxels (x, y, z), uint8 masks and the dose in Gy, each with its own RAS+
        affine in mm. Images without a file are None, or absent from their dictionary.
    """
    stem = session_folder(root, subject, session) / "anat" / f"sub-{subject}_ses-{session}_"
    scans = {}
    for sequence in sequences:
        agent, suffix = _NAMES[sequence]
        image = _load(f"{stem}{agent}space-{INDIVIDUAL}_desc-preproc_{suffix}.nii.gz")
        if image:
            voxels, affine = image
            scans[sequence] = Scan(voxels, affine, sequence, ("bids",))
    brain = _load(f"{stem}space-{INDIVIDUAL}_{_BRAIN}.nii.gz")
    drawn = _load(f"{stem}space-{INDIVIDUAL}_{_TUMOUR}.nii.gz")
    predicted = _load(f"{stem}space-{INDIVIDUAL}_{_PREDICTED.format('core')}.nii.gz")
    tumour = drawn or predicted
    labels = {r: f"{stem}space-{INDIVIDUAL}_{_REGION.format(r)}" for r in (WHOLE, ENHANCING)}
    regions = {r: _load(f"{name}.nii.gz") for r, name in labels.items()}
    dose = _load(f"{stem}space-{INDIVIDUAL}_{_DOSE}.nii.gz")
    pattern = f"{stem.name}space-{INDIVIDUAL}_{_PHASE_DOSE.format('*')}.nii.gz"
    phases = sorted(stem.parent.glob(pattern), key=lambda path: (len(path.name), path.name))
    return Timepoint(
        day,
        scans,
        LabelMap(brain[0].astype(np.uint8), brain[1]) if brain else None,
        LabelMap(tumour[0].astype(np.uint8), tumour[1]) if tumour else None,
        DoseMap(*dose, biological=_biological(f"{stem}space-{INDIVIDUAL}_{_DOSE}"))
        if dose
        else None,
        {r: LabelMap(m[0].astype(np.uint8), m[1]) for r, m in regions.items() if m},
        predicted=bool(predicted and not drawn),
        phase_doses=tuple(_phase_dose(path) for path in phases),
        **_template(str(stem)),
    )


def has_drawn_tumour(root: Path, subject: str, session: str) -> bool:
    """Check whether a session has a tumour mask that a person drew.

    Args:
        root: folder of the centre.
        subject: pseudonym of the patient.
        session: name of the session.

    Returns:
        True if the mask exists. Masks that a model predicted do not count.
    """
    return any(session_folder(root, subject, session).glob(f"anat/*_{_TUMOUR}.nii.gz"))


def write_predicted_masks(
    root: Path, subject: str, session: str, masks: Mapping[str, LabelMap], model: str
) -> None:
    """Write the masks that a model predicted beside the images of a session.

    Args:
        root: folder of the centre.
        subject: pseudonym of the patient.
        session: name of the session; its files must exist.
        masks: binary masks by region, in the patient's space.
        model: name of the model, written to the sidecars.
    """
    folder = session_folder(root, subject, session) / "anat"
    (brain,) = folder.glob(f"*_space-{INDIVIDUAL}_{_BRAIN}.nii.gz")
    for region, mask in masks.items():
        name = brain.name.replace(f"{_BRAIN}.nii.gz", _PREDICTED.format(region))
        meta = {
            "Type": "Lesion",
            "Predicted": True,
            "Model": model,
            "FlameVersion": __version__,
            "SpatialReference": _grid_of(subject, session),
        }
        _save(str(folder / name), mask.voxels, mask.affine, meta)


def _find(pattern: str) -> Path | None:
    """Return the first matching file, or None."""
    path = Path(pattern)
    return next(iter(sorted(path.parent.glob(path.name))), None)


def _load(pattern: str) -> tuple[NDArray[np.float32], NDArray[np.float64]] | None:
    path = _find(pattern)
    if path is None:
        return None
    image = nib.load(path)
    return image.get_fdata(dtype=np.float32), image.affine


def _template(stem: str) -> dict[str, Any]:
    """Return the template of a session and the matrix that leads to it; empty without one."""
    path = _find(stem + _TRANSFORM.format(INDIVIDUAL, "*"))
    if path is None:
        return {}
    name = path.name.split("_to-")[1].split("_")[0]
    return {"template": name, "to_template": read_transform(path)}


def _phase_dose(path: Path) -> DoseMap:
    name = str(path).removesuffix(".nii.gz")
    image = _load(str(path))
    assert image is not None
    return DoseMap(*image, biological=_biological(name))


def _biological(name: str) -> bool:
    return bool(json.loads(Path(f"{name}.json").read_text())["RBEWeighted"])
