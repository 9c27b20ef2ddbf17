"""Radiomics features of the tumour: volume, early change, shape, intensity, texture and dose.

Shape is defined as in SimpleITK, texture by the Image Biomarker Standardisation Initiative as
implemented in MIRP. Intensities are those of the preprocessed scans, so they are as comparable
between scanners as the normalisation makes them.

Reference:
    Zwanenburg et al. 2020, doi:10.1148/radiol.2020191145.
"""

import logging
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import kurtosis, skew

from flame.core.cohort import Patient, Timepoint
from flame.core.errors import BadInput
from flame.core.imaging import MAPS, STRUCTURAL, LabelMap, Scan
from flame.io.tumour_masks import CORE, ENHANCING, WHOLE
from flame.preprocessing.cohort.course import COURSE, course, delta

REGIONS = (CORE, WHOLE, ENHANCING)
"""Regions whose volume is a feature."""
SHAPE = {
    "surface": "GetPerimeter",
    "roundness": "GetRoundness",
    "elongation": "GetElongation",
    "flatness": "GetFlatness",
    "diameter": "GetFeretDiameter",
}
"""Shape features with SimpleITK's methods: surface in mm², diameter in mm, the others are
ratios.
"""
GREY = ("mean", "sd", "p10", "p90", "skewness", "kurtosis", "entropy")
"""First-order features of the intensities, from ``grey_values``."""
TEXTURE = (
    "cm_contrast",
    "cm_corr",
    "cm_energy",
    "cm_inv_diff",
    "cm_joint_entr",
    "rlm_sre",
    "rlm_lre",
    "rlm_gl_var",
    "szm_zsnu_norm",
    "ngt_coarseness",
    "ngt_busyness",
    "ngt_strength",
)
"""Texture features by MIRP's names, averaged over directions in 3-D, with 32 grey levels."""
DOSE = ("mean", "d2", "d98")
"""Dose features in Gy: mean, and the dose that the hottest 2 % and 98 % of the tumour receive at
least (ICRU 83).
"""
EARLY_DAYS = 60
"""Last day from the start of radiotherapy that counts for the early change.

A course of six weeks ends on day 42, and RANO rates no scan before the twelfth week after it.
"""
_LEVELS = 32
"""Number of grey levels of the texture features."""
_BINS = 32
"""Number of histogram bins of the entropy."""
NAN = float("nan")
_MEASURED = ("volume", "shape", "first-order", "texture", "maps", "dose")
"""Families that are measured on one day."""

FAMILIES: dict[str, tuple[str, ...]] = {
    "volume": tuple(f"{region}_ml" for region in REGIONS),
    "early-change": ("core_log_ml", "core_log_change"),
    "shape": tuple(f"core_{name}" for name in SHAPE),
    "first-order": tuple(f"{s}_core_{name}" for s in STRUCTURAL for name in GREY),
    "texture": tuple(f"{s}_core_{name}" for s in STRUCTURAL for name in TEXTURE),
    "maps": tuple(f"{s}_core_{name}" for s in MAPS for name in GREY),
    "dose": tuple(f"dose_{name}" for name in DOSE),
}
FAMILIES |= {f"delta-{f}": tuple(f"delta_{n}" for n in FAMILIES[f]) for f in _MEASURED}
FAMILIES |= {"course": COURSE}
"""Names of the features of each family; ``delta-`` is the change since the first day."""
FAMILY_OF = {name: family for family, names in FAMILIES.items() for name in names}
"""Family of each feature."""
PREFIX = "radiomics."
"""Prefix of a family's name in the configuration."""
_DELTA = "delta-"


def expanded(names: Iterable[str]) -> tuple[str, ...]:
    """Replace names such as ``radiomics.shape`` by the features of that family.

    Args:
        names: names of clinical features and of families.

    Returns:
        Names of features, each once.

    Raises:
        BadInput: a family is unknown.

    Example:
        >>> expanded(["age", "radiomics.dose"])
        ('age', 'dose_mean', 'dose_d2', 'dose_d98')
    """
    features: list[str] = []
    for name in names:
        family = name.removeprefix(PREFIX)
        if not name.startswith(PREFIX):
            features.append(name)
        elif family in FAMILIES:
            features += FAMILIES[family]
        else:
            raise BadInput(
                f"unknown features '{name}'; write {PREFIX} and one of {', '.join(FAMILIES)}"
            )
    return tuple(dict.fromkeys(features))


def measured(families: Iterable[str]) -> Callable[[Patient], Patient]:
    """Build a view that adds radiomics features to ``clinical`` of a patient.

    Features describe the last day up to the landmark, by default the start of radiotherapy.
    ``early-change`` also reads the first day after the start, ``delta-`` and ``course`` all days up
    to the landmark.

    Args:
        families: keys of FAMILIES.

    Returns:
        View from a patient to the patient with the features. A feature is NaN if the mask, scan or
        dose that it needs is missing.
    """
    chosen = tuple(families)

    def view(patient: Patient) -> Patient:
        features = radiomics(patient.baseline, [f for f in chosen if f in _MEASURED])
        if "early-change" in chosen:
            features |= early_change(patient)
        if "course" in chosen:
            features |= course(patient)
        for family in (f.removeprefix(_DELTA) for f in chosen if f.startswith(_DELTA)):
            first, last = (radiomics(day, [family]) for day in _first_and_last(patient))
            features |= delta(first, last)
        return replace(patient, clinical={**patient.clinical, **features})

    return view


def _first_and_last(patient: Patient) -> tuple[Timepoint | None, Timepoint | None]:
    """Return the first and the last day with a mask up to the landmark; None if they are one."""
    days = [t for t in patient.timepoints if t.day <= patient.landmark and t.tumour is not None]
    return (days[0], days[-1]) if len(days) > 1 else (None, None)


def radiomics(day: Timepoint | None, families: Iterable[str]) -> dict[str, float]:
    """Measure the features of one day.

    Args:
        day: day with images, or None.
        families: keys of FAMILIES.

    Returns:
        Features by name; NaN if they cannot be measured.
    """
    families = list(families)
    names = [name for family in families for name in FAMILIES[family]]
    features = dict.fromkeys(names, NAN)
    if day is None or day.tumour is None or not day.tumour.voxels.any():
        return features
    for family in set(families) & set(_FAMILY):
        measures = _FAMILY[family](day, day.tumour)
        features |= {n: v for n, v in measures.items() if n in features}
    return features


def early_change(patient: Patient) -> dict[str, float]:
    """Measure the early change of the tumour's volume.

    The change is log(later ml / earlier ml), from the last day up to the start of radiotherapy to
    the first day after the start.

    Args:
        patient: patient with masks.

    Returns:
        core_log_ml, the log of the earlier volume in ml, and core_log_change. A value is NaN if a
        mask that it needs is missing or empty, or if the first later day lies after EARLY_DAYS.
    """
    before = _log_ml(patient.baseline)
    later = [t for t in patient.timepoints if 0 < t.day <= EARLY_DAYS]
    after = _log_ml(min(later, key=lambda t: t.day)) if later else NAN
    return {"core_log_ml": before, "core_log_change": after - before}


def _log_ml(day: Timepoint | None) -> float:
    if day is None or day.tumour is None or not day.tumour.voxels.any():
        return NAN
    return float(np.log(day.tumour.volume))


def _volumes(day: Timepoint, tumour: LabelMap) -> dict[str, float]:
    masks: Mapping[str, LabelMap] = {CORE: tumour, **day.regions}
    return {f"{region}_ml": mask.volume for region, mask in masks.items()}


def _shape(day: Timepoint, tumour: LabelMap) -> dict[str, float]:
    import SimpleITK as sitk  # tables of patients need no library of images

    image = sitk.GetImageFromArray(np.ascontiguousarray(tumour.voxels.T > 0).astype(np.uint8))
    image.SetSpacing(np.linalg.norm(tumour.affine[:3, :3], axis=0).tolist())
    statistics = sitk.LabelShapeStatisticsImageFilter()
    statistics.ComputeFeretDiameterOn()
    statistics.Execute(image)
    return {f"core_{name}": float(getattr(statistics, call)(1)) for name, call in SHAPE.items()}


def _grey(day: Timepoint, tumour: LabelMap) -> dict[str, float]:
    features = {}
    for sequence, scan in day.scans.items():
        values = scan.voxels[tumour.voxels > 0].astype(float)
        for name, value in zip(GREY, grey_values(values), strict=True):
            features[f"{sequence}_core_{name}"] = value
    return features


def grey_values(values: NDArray[np.float64]) -> tuple[float, ...]:
    """Compute the first-order features of some intensities.

    Args:
        values: intensities (n,).

    Returns:
        Features in the order of GREY. Kurtosis is 0 for a normal distribution. Entropy is in bits,
        over 32 bins.

    Example:
        >>> [round(v, 6) for v in grey_values(np.array([0.0, 1.0]))]
        [0.5, 0.5, 0.1, 0.9, 0.0, -2.0, 1.0]
    """
    counts = np.histogram(values, _BINS)[0] / len(values)
    entropy = -float(sum(p * np.log2(p) for p in counts if p > 0))
    low, high = np.quantile(values, [0.1, 0.9])
    flat = np.ptp(values) == 0
    shape = (0.0, 0.0) if flat else (float(skew(values)), float(kurtosis(values)))
    return float(values.mean()), float(values.std()), float(low), float(high), *shape, entropy


def _dose(day: Timepoint, tumour: LabelMap) -> dict[str, float]:
    if day.dose is None:
        return {}
    values = day.dose.voxels[tumour.voxels > 0]
    d2, d98 = np.quantile(values, [0.98, 0.02])
    return {"dose_mean": float(values.mean()), "dose_d2": float(d2), "dose_d98": float(d98)}


def _texture(day: Timepoint, tumour: LabelMap) -> dict[str, float]:
    features = {}
    for sequence in (s for s in day.scans if s in STRUCTURAL):
        values = _mirp(day.scans[sequence], tumour)
        for name in TEXTURE:
            # MIRP appends how directions were averaged and the grey levels to the name.
            (column,) = (c for c in values if re.match(f"{name}_(d1_)?3d", c))
            features[f"{sequence}_core_{name}"] = float(values[column])
    return features


def _mirp(scan: Scan, tumour: LabelMap) -> Mapping[str, Any]:
    """Return the texture features of a scan within the tumour, by MIRP's column names."""
    try:
        from mirp import extract_features
    except ImportError:
        raise BadInput(
            "texture features need MIRP: pip install 'flame-medical[radiomics]', or leave out "
            "radiomics.texture"
        ) from None
    disabled = logging.root.manager.disable
    logging.disable(logging.INFO)
    try:
        (table,) = extract_features(
            image=scan.voxels.T,
            mask=tumour.voxels.T > 0,
            base_discretisation_method="fixed_bin_number",
            base_discretisation_n_bins=_LEVELS,
            base_feature_families=["cm", "rlm", "szm", "ngtdm"],
            by_slice=False,
        )
    finally:
        logging.disable(disabled)
    row: Mapping[str, Any] = table.iloc[0].to_dict()
    return row


_FAMILY = {
    "volume": _volumes,
    "shape": _shape,
    "first-order": _grey,
    "texture": _texture,
    "maps": _grey,
    "dose": _dose,
}
