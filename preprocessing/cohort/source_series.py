"""Mapping from a preprocessed day back to its source DICOM series."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from flame.core.errors import BadInput
from flame.core.imaging import LabelMap, Sequence
from flame.io.bids import session_folder, session_sidecar
from flame.io.dicom.geometry import Geometry
from flame.io.dicom.intake import inspect_folder
from flame.io.pseudonym import load_key, pseudonym
from flame.io.transforms import read_transform
from flame.preprocessing.stages.interpolation import resample

ORDER = (Sequence.T1C, Sequence.FLAIR, Sequence.T1, Sequence.T2)
"""Order in which the series of a session are preferred."""


@dataclass(frozen=True, eq=False)
class SourceSeries:
    """DICOM series of a scan, with its position relative to the preprocessed images.

    Args:
        geometry: geometry of the series.
        move: RAS+ matrix (4, 4) in mm from the world of the series into the preprocessed one.
    """

    geometry: Geometry
    move: NDArray[np.float64]

    def mask(self, probability: NDArray[np.float32], affine: NDArray[np.float64]) -> LabelMap:
        """Resample a probability to the grid of the series and threshold it at one half.

        Args:
            probability: probability (x, y, z).
            affine: RAS+ affine (4, 4) of the probability in mm, in the preprocessed world.

        Returns:
            Mask on the grid of the series: 1 where the probability is at least one half, else 0.
        """
        grid = self.move @ self.geometry.affine
        resampled = resample(probability, affine, grid, self.geometry.shape)
        return LabelMap((resampled >= 0.5).astype(np.uint8), self.geometry.affine)


def source_series(root: Path, subject: str, session: str, dicom: Path, key: Path) -> SourceSeries:
    """Find the DICOM series that a session was made from.

    Args:
        root: output folder of ``flame preprocess``.
        subject: subject without its BIDS prefix.
        session: session without its BIDS prefix.
        dicom: DICOM folder of the hospital.
        key: file of the pseudonyms' secret key.

    Returns:
        The first series in ORDER that the folder holds, with its position.

    Raises:
        BadInput: the key is missing, or the folder holds none of the series.
    """
    if not key.exists():
        raise BadInput(f"no pseudonym key at {key}; give the one of flame preprocess with --key")
    sidecar = session_sidecar(root, subject, session) or {}
    wanted = set(sidecar.get("SourceSeries", ()))
    secret = load_key(key)
    folder = session_folder(root, subject, session) / "anat"
    moves = {s: next(folder.glob(f"*_from-{s}_to-*_mode-image_xfm.txt"), None) for s in ORDER}
    sources: dict[Sequence, SourceSeries] = {}
    for series in inspect_folder(dicom).studies().values():
        for sequence, report in series.items():
            uid = pseudonym(secret, str(report.series.header.SeriesInstanceUID))
            move = moves[sequence]
            if report.geometry and uid in wanted and move:
                sources[sequence] = SourceSeries(report.geometry, read_transform(move))
    if not sources:
        raise BadInput(
            f"{dicom} holds no series that sub-{subject} was made from; give the hospital's DICOM "
            "folder and the key that flame preprocess used"
        )
    return next(sources[s] for s in ORDER if s in sources)
