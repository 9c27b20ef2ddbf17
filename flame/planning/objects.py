"""Writes a new plan as RT Plan and RT Dose, next to the patient's images."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, RTDoseStorage, generate_uid

from flame.core.treatment import Phase
from flame.io.dicom.rt_objects import fill_dose, fill_plan, plan_class
from flame.planning.inputs import PlanningInputs

LABEL = "NOT CLINICAL"
"""RTPlanLabel of every new plan."""
_PATIENT = ("PatientID", "PatientName", "PatientBirthDate", "PatientSex", "StudyInstanceUID")
"""Attributes that the new objects share with the CT."""


def write_plan(
    folder: Path, inputs: PlanningInputs, phase: Phase, maps: Mapping[str, NDArray[np.float32]]
) -> None:
    """Write plan, dose and LET into a folder of the patient.

    Args:
        folder: folder of the patient.
        inputs: what the plan was made from.
        phase: its radiation, dose and fractions.
        maps: ``dose`` (x, y, z) in Gy, RBE-weighted for ions, and ``let`` in keV/um if known, on
            the grid of the inputs.
    """
    affine = inputs.affine @ np.diag([-1.0, -1.0, 1.0, 1.0])  # ascending axes, as RAS+
    affine[:3, 3] = inputs.affine[:3, 3] + inputs.affine[:3, :3] @ (
        (np.array(inputs.ct.shape) - 1) * [1, 1, 0]
    )
    sop_class = plan_class(phase.radiation)
    plan = _object(inputs, sop_class, "RTPLAN", f"{LABEL}: {phase.radiation}")
    plan.ApprovalStatus = "UNAPPROVED"
    fill_plan(plan, phase, LABEL, inputs.start, "pyRadPlan")
    plan.save_as(folder / f"RP_{phase.radiation}.dcm", enforce_file_format=True)
    names = {"dose": "dose", "let": "LETd"}
    for kind, values in maps.items():
        name = f"{LABEL}: {phase.radiation} {names[kind]}"
        dataset = _object(inputs, RTDoseStorage, "RTDOSE", name)
        referenced = (sop_class, str(plan.SOPInstanceUID))
        fill_dose(dataset, values[::-1, ::-1], affine, referenced, phase.biological)
        dataset.save_as(folder / f"RD_{phase.radiation}_{kind}.dcm", enforce_file_format=True)


def _object(inputs: PlanningInputs, sop_class: str, modality: str, name: str) -> FileDataset:
    """Make an object of the patient in a series of its own."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = sop_class
    meta.MediaStorageSOPInstanceUID = generate_uid()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    dataset.SOPClassUID, dataset.SOPInstanceUID = sop_class, meta.MediaStorageSOPInstanceUID
    for keyword in _PATIENT:
        setattr(dataset, keyword, inputs.header.get(keyword, ""))
    dataset.FrameOfReferenceUID = inputs.header.get("FrameOfReferenceUID", "")
    dataset.SeriesInstanceUID = generate_uid()
    dataset.SeriesDescription = name
    dataset.Modality = modality
    dataset.Manufacturer = "pyRadPlan, research plan"
    dataset.StudyDate = dataset.SeriesDate = f"{inputs.start:%Y%m%d}"
    dataset.StudyTime, dataset.OperatorsName, dataset.AccessionNumber = "120000", "", ""
    dataset.SeriesNumber, dataset.InstanceNumber = 100, 1
    if inputs.header.get("ImageComments"):  # the mark of simulated patients stays
        dataset.ImageComments = inputs.header.ImageComments
    return dataset
