"""Plans of one patient for several radiations, each from a preprocessed folder of its own.

A centre that plans a patient twice exports each plan with the same images, and preprocesses each
export with the same pseudonym key: the folders then hold the same patient with another dose.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np

from flame.core.cohort import Patient, Timepoint
from flame.core.errors import BadInput
from flame.core.treatment import Radiation
from flame.models.evolution.counterfactual import main_radiation


def folders(texts: tuple[str, ...]) -> dict[Radiation, Path]:
    """Read options such as ``proton=bids-proton/centre/sub-1``.

    Args:
        texts: the options.

    Returns:
        Folder by radiation.

    Raises:
        BadInput: an option is written otherwise, or its folder does not exist.
    """
    found = {}
    for text in texts:
        name, _, path = text.partition("=")
        if name not in list(Radiation) or not path:
            raise BadInput(f"plan '{text}': write RADIATION=FOLDER, such as proton=OTHER/sub-1")
        if not Path(path).is_dir():
            raise BadInput(f"plan '{text}': no folder {path}")
        found[Radiation(name)] = Path(path)
    return found


def _same_place(start: Timepoint, planned: Patient) -> bool:
    """Tell whether another folder has the same day on the same grid and fit to the template."""
    for other in planned.timepoints:
        if other.day == start.day and start.scans.keys() == other.scans.keys():
            if start.to_template is None or other.to_template is None:
                return False
            pairs = [(start.scans[s].affine, other.scans[s].affine) for s in start.scans]
            pairs.append((start.to_template, other.to_template))
            alike = all(np.allclose(a, b) for a, b in pairs)
            return alike and start.template == other.template
    return False


def with_plan(patient: Patient, planned: Patient, radiation: Radiation) -> Patient:
    """Give a patient the dose and the course of another plan.

    Args:
        patient: the patient, whose images and masks stay.
        planned: the same patient as preprocessed with the other plan.
        radiation: radiation that the plan must have.

    Returns:
        The patient with that plan.

    Raises:
        BadInput: it is another patient, or the plan has no dose, no course, or another radiation.
    """
    if planned.pseudonym != patient.pseudonym:
        raise BadInput(
            f"the plan for {radiation} is of {planned.pseudonym}, not of {patient.pseudonym}: "
            "preprocess both folders with the same pseudonym key"
        )
    dosed = next((t for t in planned.timepoints if t.dose is not None), None)
    if planned.treatment is None or dosed is None:
        raise BadInput(f"the folder of the plan for {radiation} has no dose or no plan")
    if main_radiation(planned.treatment) is not radiation:
        raise BadInput(
            f"the plan given for {radiation} is one with {main_radiation(planned.treatment)}"
        )
    start = patient.start
    if start is None or not _same_place(start, planned):
        raise BadInput(
            f"the folder of the plan for {radiation} has other images on the day of the tumour "
            "mask: preprocess both from the same images with the same options"
        )
    timepoints = tuple(
        replace(t, dose=dosed.dose, phase_doses=dosed.phase_doses)
        if t.day == start.day
        else replace(t, dose=None, phase_doses=())
        for t in patient.timepoints
    )
    return replace(patient, treatment=planned.treatment, timepoints=timepoints)
