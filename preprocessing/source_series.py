"""From a preprocessed day back to the DICOM series it came from."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from flame.core.errors import BadInput
from flame.core.imaging import LabelMap, Sequence
from flame.io.bids import session_folder, session_sidecar
from flame.io.geometry import Geometry
from flame.io.intake import inspect_folder
from flame.io.pseudonym import load_key, pseudonym
from flame.io.transforms import read_transform
from flame.preprocessing.interpolation import resample

ORDER = (Sequence.T1C, Sequence.FLAIR, Sequence.T1, Sequence.T2)


@dataclass(frozen=True, eq=False)
class SourceSeries:
    """The DICOM series of a scan, and the RAS+ map (mm) of its world into the preprocessed one."""

    geometry: Geometry
    move: NDArray[np.float64]

    @property
    def paths(self) -> list[Path]:
        """Files in order along the stack."""
        return list(dict.fromkeys(s.path for s in self.geometry.slices))

    def mask(self, probability: NDArray[np.float32], affine: NDArray[np.float64]) -> LabelMap:
        """Voxels of the series where ``probability`` (RAS+ ``affine``) is one half or more."""
        grid = self.move @ self.geometry.affine
        found = resample(probability, affine, grid, self.geometry.shape)
        return LabelMap((found >= 0.5).astype(np.uint8), self.geometry.affine)


def source_series(root: Path, subject: str, session: str, dicom: Path, key: Path) -> SourceSeries:
    """The series below ``dicom`` that a session was made from; T1c where there is one.

    ``key`` is the centre's pseudonym key. Raises BadInput where none of them is there.
    """
    if not key.exists():
        raise BadInput(f"no pseudonym key at {key}; give the one of flame preprocess with --key")
    sidecar = session_sidecar(root, subject, session) or {}
    wanted, secret = set(sidecar.get("SourceSeries", ())), load_key(key)
    found: dict[Sequence, Geometry] = {}
    for report in inspect_folder(dicom).series:
        uid = pseudonym(secret, str(report.series.header.SeriesInstanceUID))
        if report.geometry and report.verdict.sequence and uid in wanted:
            found[report.verdict.sequence] = report.geometry
    if not found:
        raise BadInput(
            f"{dicom} holds no series that sub-{subject} was made from; give the hospital's DICOM "
            "folder and the key that flame preprocess used"
        )
    sequence = next(s for s in ORDER if s in found)
    folder = session_folder(root, subject, session) / "anat"
    (path,) = folder.glob(f"*_from-{sequence}_to-*_mode-image_xfm.txt")
    return SourceSeries(found[sequence], read_transform(path))
