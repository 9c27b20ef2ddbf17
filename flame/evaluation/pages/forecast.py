"""Forecasts of one patient under each radiation, and the files that contain them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from flame.core.cohort import Timepoint
from flame.core.imaging import Scan
from flame.core.treatment import Treatment
from flame.io.dicom.segmentations import write_segments
from flame.models.evolution.model import EvolutionCase, Forecast
from flame.preprocessing.cohort.source_series import SourceSeries

AS_TREATED = "as-treated"
"""Name of the only forecast where radiations cannot be compared: the disease as it is treated."""


@dataclass(frozen=True, eq=False)
class Prediction:
    """Result of ``flame predict`` for one patient.

    Args:
        subject: pseudonym of the patient.
        case: the patient on a cube of voxels around the tumour.
        affine: (4, 4) map from voxel indices of the cube to RAS+ world space in mm.
        baseline: images of the day from which the forecast starts, on their own grid.
        forecasts: forecasts by radiation, or by AS_TREATED, one for each day.
        response: probability of response; None without a response model.
        warnings: warnings at the top of the page.
        simulated: whether the patient is simulated.
        parameters: median and bounds of the 90 % interval by parameter of the mechanistic model;
            empty without one.
        relevance: effect of the image on the response, see ``occlusion``; None without a response
            model.
        courses: course of each radiation that was forecast, where it is known.
        plans: radiations whose dose is that of a plan of their own.
        calibrated: number of patients from whom the band was learned; None: unknown.
        doses: RBE-weighted dose (x, y, z) in Gy of each forecast, where it is known.
    """

    subject: str
    case: EvolutionCase
    affine: NDArray[np.float64]
    baseline: Timepoint
    forecasts: Mapping[str, list[Forecast]]
    response: float | None
    warnings: tuple[str, ...]
    simulated: bool
    parameters: Mapping[str, tuple[float, float, float]] = field(default_factory=dict)
    relevance: Scan | None = None
    courses: Mapping[str, Treatment] = field(default_factory=dict)
    plans: frozenset[str] = frozenset()
    calibrated: int | None = None
    doses: Mapping[str, NDArray[np.float32]] = field(default_factory=dict)

    def volumes(self) -> pd.DataFrame:
        """Return median and 90 % interval of the volume in ml by radiation and day."""
        rows = []
        for radiation, forecasts in self.forecasts.items():
            for f in forecasts:
                low, high = f.interval(0.9)
                ml = {"median_ml": float(np.median(f.volumes)), "low_ml": low, "high_ml": high}
                rows.append(
                    {
                        "radiation": str(radiation),
                        "day": f.day,
                        **{k: round(v, 2) for k, v in ml.items()},
                    }
                )
        return pd.DataFrame(rows)


def write_maps(out: Path, prediction: Prediction) -> None:
    """Write the forecasts as NIfTI files and the volumes as a table.

    Each radiation and day has a probability map and a mask. With a response model, the occlusion
    map is written, too.

    Args:
        out: existing folder.
        prediction: result for the patient.
    """
    for radiation, forecasts in prediction.forecasts.items():
        for f in forecasts:
            stem = f"sub-{prediction.subject}_radiation-{radiation}_day-{f.day:03d}"
            parts: dict[str, NDArray[Any]] = {
                "probability": f.probability,
                "mask": f.mask.astype(np.uint8),
            }
            for kind, voxels in parts.items():
                image = nib.Nifti1Image(voxels, prediction.affine)
                image.to_filename(out / f"{stem}_{kind}.nii.gz")
    if prediction.relevance is not None:
        image = nib.Nifti1Image(prediction.relevance.voxels, prediction.relevance.affine)
        image.to_filename(out / f"sub-{prediction.subject}_response-relevance.nii.gz")
    table = prediction.volumes()
    table.to_csv(out / f"sub-{prediction.subject}_volumes.tsv", sep="\t", index=False)


def write_segmentations(
    out: Path, prediction: Prediction, source: SourceSeries
) -> tuple[Path, ...]:
    """Write one SEG file for each radiation, with a segment for each day, on the original images.

    The files contain the name of the patient, as the images do. The names of the files therefore
    omit the pseudonym.

    Args:
        out: folder; files are written to its subfolder ``seg``.
        prediction: result for the patient.
        source: DICOM series before radiotherapy.

    Returns:
        The files.
    """
    written = []
    for radiation, forecasts in prediction.forecasts.items():
        masks = {
            f"forecast {radiation} day {f.day}": source.mask(f.probability, prediction.affine)
            for f in forecasts
        }
        path = out / "seg" / f"radiation-{radiation}_seg.dcm"
        write_segments(path, source.geometry, masks, f"FLAME forecast, {radiation}")
        written.append(path)
    return tuple(written)
