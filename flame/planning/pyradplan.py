"""Makes one plan with pyRadPlan; runs alone in an environment that has it, without FLAME.

    python pyradplan.py FOLDER RADIATION GY FRACTIONS

FOLDER holds ``ct.nii.gz`` in HU, ``ctv.nii.gz`` and ``brain.nii.gz`` on one grid. Writes
``RADIATION_dose.nii.gz`` in Gy, RBE-weighted for ions, ``RADIATION_let.nii.gz`` in keV/um for
protons, and ``RADIATION.json`` with the dose goals.

Protons have an RBE of 1.1. Carbon ions follow the tables of pyRadPlan's generic machine, which has
one tissue (alpha 0.1, beta 0.05) and no LET; the head lies in a shell of water, as its shortest
range is 30 mm. Carbon is optimised by its effect, because pyRadPlan 0.5 has a wrong gradient of the
RBE-weighted dose.
"""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from scipy.ndimage import binary_fill_holes, binary_opening, distance_transform_edt, label

Mask = NDArray[np.bool_]

PROTON_RBE = 1.1
ALPHA, BETA = 0.1, 0.05
"""Tissue of the carbon tables, in 1/Gy and 1/Gy2."""
MARGIN_MM = 3.0
"""Margin from the clinical to the planning target volume."""
BOLUS_MM = {"carbon": 21.0}
"""Thickness of water around the head."""
BEAMS = {"photon": 7, "proton": 2, "carbon": 2}
"""Number of coplanar beams; those of ions come from the side of the target, 70 degrees apart."""
BIXEL_MM = {"photon": 5.0, "proton": 6.0, "carbon": 6.0}
"""Distance of beamlets or spots."""
ITERATIONS = 60
IONS = {"proton": "protons", "carbon": "carbon"}
"""Names of the ions in pyRadPlan."""


def structures(hu: NDArray[np.float32], ctv: Mask, brain: Mask, voxel_mm: float) -> dict[str, Mask]:
    """Derive the planning target volume and the body without the couch.

    Args:
        hu: CT (z, y, x) in HU.
        ctv: clinical target volume (z, y, x).
        brain: brain (z, y, x).
        voxel_mm: side of a voxel in mm.

    Returns:
        Masks (z, y, x) by name: CTV, PTV, Brain, Body.
    """
    parts, _ = label(binary_opening(hu > -300))
    body = parts == np.bincount(parts[brain]).argmax()
    body = np.stack([binary_fill_holes(plane) for plane in body])
    ptv = (distance_transform_edt(~ctv) * voxel_mm <= MARGIN_MM) & body
    return {"CTV": ctv, "PTV": ptv, "Brain": brain, "Body": body}


def gantry_angles(radiation: str, ctv: Mask, brain: Mask) -> list[float]:
    """Choose the gantry angles: around the head for photons, else from the side of the target.

    Args:
        radiation: photon, proton or carbon.
        ctv: clinical target volume (z, y, x), x to the left and y to the back.
        brain: brain (z, y, x).

    Returns:
        Angles in degrees; 0 is from the front, 90 from the left.

    Example:
        >>> brain = np.ones((1, 3, 3), bool)
        >>> left = np.zeros((1, 3, 3), bool)
        >>> left[0, 1, 2] = True
        >>> gantry_angles("proton", left, brain)
        [55.0, 125.0]
    """
    number = BEAMS[radiation]
    if radiation == "photon":
        return [360.0 / number * n for n in range(number)]
    _, y, x = np.argwhere(ctv).mean(axis=0) - np.argwhere(brain).mean(axis=0)
    direct = np.degrees(np.arctan2(x, -y))
    return [float((direct + away) % 360) for away in np.linspace(-35, 35, number)]


def goals(dose: NDArray[np.float32], masks: dict[str, Mask], gy: float) -> dict[str, float]:
    """Compute the dose goals of a plan.

    Args:
        dose: dose (z, y, x) in Gy, RBE-weighted.
        masks: masks (z, y, x) by name.
        gy: prescribed dose in Gy.

    Returns:
        Shares of the prescription that 95 % and 2 % of the PTV receive at least (``D95``, ``D2``),
        mean dose in Gy to the brain outside it, and the share of that brain above 95 %.
    """
    target, outside = dose[masks["PTV"]], dose[masks["Brain"] & ~masks["PTV"]]
    d95, d2 = np.percentile(target, [5, 98]) / gy
    return {
        "D95": float(d95),
        "D2": float(d2),
        "brain mean Gy": float(outside.mean()),
        "brain V95": float((outside >= 0.95 * gy).mean()),
    }


def _patient(image: Any, masks: dict[str, Mask], objectives: dict[str, Any], bolus: float) -> Any:
    """Make CT and structure set of pyRadPlan."""
    from pyRadPlan import validate_cst  # type: ignore[import-not-found]
    from pyRadPlan.cst import validate_voi  # type: ignore[import-not-found]
    from pyRadPlan.ct import validate_ct  # type: ignore[import-not-found]

    hu, outer = sitk.GetArrayFromImage(image), masks["Body"]
    hu = np.where(outer, hu, -1000.0)
    if bolus:
        away = distance_transform_edt(~outer) * image.GetSpacing()[0]
        hu = np.where((away <= bolus) & ~outer, 0.0, hu)
        outer = away <= bolus
    ct = validate_ct(cube_hu=_like(hu.astype(np.float32), image))
    kinds = {"PTV": "TARGET", "Brain": "OAR", "External": "EXTERNAL"}
    vois = []
    for name, kind in kinds.items():
        mask = _like((outer if name == "External" else masks[name]).astype(np.uint8), image)
        voi = validate_voi(name=name, voi_type=kind, mask=mask, ct_image=ct)
        voi.objectives = objectives[name]
        vois.append(voi)
    return ct, validate_cst(vois, ct=ct)


def _objectives(radiation: str, fraction: float) -> dict[str, Any]:
    """Return the goals of a fraction: even in the target, steep outside, little to the brain."""
    from pyRadPlan.optimization.objectives import (  # type: ignore[import-not-found]
        MeanDose,
        SquaredDeviation,
        SquaredOverdosing,
    )

    quantity = "effect" if radiation == "carbon" else "physical_dose"

    def level(share: float) -> float:
        gy = share * fraction
        return ALPHA * gy + BETA * gy**2 if radiation == "carbon" else gy

    over = [
        SquaredOverdosing(priority=100.0, d_max=level(share), quantity=quantity)
        for share in (0.6, 0.5)
    ]
    return {
        "PTV": [SquaredDeviation(priority=1000.0, d_ref=level(1.0), quantity=quantity)],
        "Brain": [over[0], MeanDose(priority=1.0, d_ref=0.0, quantity=quantity)],
        "External": [over[1]],
    }


def plan(folder: Path, radiation: str, gy: float, fractions: int) -> None:
    """Make a plan and write its dose, its LET and its goals.

    Args:
        folder: folder with the CT and the masks.
        radiation: photon, proton or carbon.
        gy: prescribed dose in Gy, RBE-weighted for ions.
        fractions: number of fractions.
    """
    import pyRadPlan as prp

    images = [sitk.ReadImage(str(folder / f"{name}.nii.gz")) for name in ("ct", "ctv", "brain")]
    image, values = images[0], [sitk.GetArrayFromImage(i) for i in images]
    masks = structures(values[0], values[1] > 0, values[2] > 0, image.GetSpacing()[0])
    rbe = PROTON_RBE if radiation == "proton" else 1.0
    objectives = _objectives(radiation, gy / fractions / rbe)
    ct, cst = _patient(image, masks, objectives, BOLUS_MM.get(radiation, 0.0))
    angles = gantry_angles(radiation, masks["CTV"], masks["Brain"])
    if radiation == "photon":
        settings = prp.PhotonPlan()
    else:
        settings = prp.IonPlan(radiation_mode=IONS[radiation])
    settings.num_of_fractions, settings.prescribed_dose = fractions, gy
    settings.prop_stf = {
        "gantry_angles": angles,
        "couch_angles": [0.0] * len(angles),
        "bixel_width": BIXEL_MM[radiation],
    }
    settings.prop_dose_calc = {"dose_grid": ct.grid}
    if radiation != "photon":
        is_carbon = radiation == "carbon"
        settings.prop_dose_calc |= {"calc_let": not is_carbon, "calc_bio_dose": is_carbon}
    settings.prop_opt = {
        "solver": {"name": "scipy", "max_iter": ITERATIONS},
        "convert_dose_objectives": False,
    }
    stf = prp.generate_stf(ct, cst, settings)
    influence = prp.calc_dose_influence(ct, cst, stf, settings)
    fluence = prp.fluence_optimization(ct, cst, stf, influence, settings)
    found = influence.compute_result_dose_grid(fluence)
    kind = "rbe_x_dose" if radiation == "carbon" else "physical_dose"
    dose = sitk.GetArrayFromImage(found[kind]) * fractions * rbe
    _write(folder / f"{radiation}_dose.nii.gz", dose, image)
    if radiation == "proton":
        _write(folder / f"{radiation}_let.nii.gz", sitk.GetArrayFromImage(found["let"]), image)
    (folder / f"{radiation}.json").write_text(json.dumps(goals(dose, masks, gy)))


def _like(values: NDArray[Any], image: Any) -> Any:
    made = sitk.GetImageFromArray(values)
    made.CopyInformation(image)
    return made


def _write(path: Path, values: NDArray[Any], image: Any) -> None:
    sitk.WriteImage(_like(values.astype(np.float32), image), str(path))


if __name__ == "__main__":
    plan(Path(sys.argv[1]), sys.argv[2], float(sys.argv[3]), int(sys.argv[4]))
