"""Content of RT Plan and RT Dose objects, as the simulator and new plans write them."""

from datetime import date, timedelta

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence as Items

from flame.core.treatment import Phase, Radiation
from flame.io.dicom.plan_versions import RT_ION_PLAN, RT_PLAN

_STEP = 1e-4
"""Gy, or keV/um, per stored value."""


def item(**values: object) -> Dataset:
    """Make a sequence item from attributes by DICOM keyword."""
    dataset = Dataset()
    for keyword, value in values.items():
        setattr(dataset, keyword, value)
    return dataset


def plan_class(radiation: Radiation) -> str:
    """Return the SOP class of a plan: RT Plan for photons, RT Ion Plan for ions."""
    return RT_PLAN if radiation is Radiation.PHOTON else RT_ION_PLAN


def fill_dose(
    dataset: Dataset,
    dose: NDArray[np.float32],
    affine: NDArray[np.float64],
    plan: tuple[str, str],
    biological: bool,
) -> None:
    """Write a dose of a whole plan, or a grid of LET, into an RT Dose.

    Args:
        dataset: the RT Dose, which changes.
        dose: dose (x, y, z) in Gy, or LET in keV/um.
        affine: RAS+ affine (4, 4) in mm, with its axes along those of the world.
        plan: SOP class and SOPInstanceUID of the plan.
        biological: whether the dose is RBE-weighted: DoseType EFFECTIVE instead of PHYSICAL.
    """
    lps_order = dose[::-1, ::-1]
    origin = affine[:3, 3] + affine[:3, :3] @ (np.array(dose.shape) - 1) * [1, 1, 0]
    spacing = np.diag(affine)[:3]
    dataset.ImagePositionPatient = [f"{v:.4f}" for v in origin * [-1, -1, 1]]
    dataset.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    dataset.PixelSpacing = [f"{spacing[1]:.4f}", f"{spacing[0]:.4f}"]
    dataset.Columns, dataset.Rows, frames = dose.shape
    dataset.NumberOfFrames = frames
    dataset.FrameIncrementPointer = (0x3004, 0x000C)  # GridFrameOffsetVector
    dataset.GridFrameOffsetVector = [f"{z * spacing[2]:.4f}" for z in range(frames)]
    dataset.SliceThickness = f"{spacing[2]:.4f}"
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.BitsAllocated = 32
    dataset.BitsStored = 32
    dataset.HighBit = 31
    dataset.PixelRepresentation = 0
    dataset.DoseUnits = "GY"
    dataset.DoseSummationType = "PLAN"
    dataset.DoseType = "EFFECTIVE" if biological else "PHYSICAL"
    named = item(ReferencedSOPClassUID=plan[0], ReferencedSOPInstanceUID=plan[1])
    dataset.ReferencedRTPlanSequence = Items([named])
    dataset.DoseGridScaling = f"{_STEP}"
    dataset.PixelData = np.rint(lps_order.T / _STEP).astype(np.uint32).tobytes()


def fill_plan(dataset: Dataset, phase: Phase, label: str, start: date, machine: str) -> None:
    """Write a phase of a course into an RT Plan or RT Ion Plan.

    Args:
        dataset: the plan, which changes.
        phase: the phase.
        label: RTPlanLabel.
        start: first day of the course; the date of the plan is that of the phase.
        machine: name of the machine.
    """
    dataset.RTPlanLabel = label
    dataset.RTPlanGeometry = "PATIENT"
    dataset.RTPlanDate = f"{start + timedelta(phase.start_day):%Y%m%d}"
    dataset.RTPlanTime = "120000"
    target = item(
        DoseReferenceNumber=1,
        DoseReferenceStructureType="VOLUME",
        DoseReferenceType="TARGET",
        TargetPrescriptionDose=f"{phase.dose}",
    )
    dataset.DoseReferenceSequence = Items([target])
    used = item(ReferencedBeamNumber=1, BeamDose=phase.dose / phase.fractions)
    group = item(
        FractionGroupNumber=1,
        NumberOfFractionsPlanned=phase.fractions,
        NumberOfBeams=1,
        NumberOfBrachyApplicationSetups=0,
        ReferencedBeamSequence=Items([used]),
    )
    dataset.FractionGroupSequence = Items([group])
    beams = Items([_beam(phase, machine)])
    if phase.radiation is Radiation.PHOTON:
        dataset.BeamSequence = beams
    else:
        dataset.IonBeamSequence = beams


def _beam(phase: Phase, machine: str) -> Dataset:
    """Make the only beam of a phase, with its radiation."""
    beam = item(
        BeamNumber=1,
        BeamName="B1",
        BeamType="STATIC",
        TreatmentDeliveryType="TREATMENT",
        RadiationType=phase.radiation.value.upper(),
        TreatmentMachineName=machine,
    )
    if phase.radiation is Radiation.CARBON:
        beam.RadiationType = "ION"
        beam.RadiationMassNumber = 12
        beam.RadiationAtomicNumber = 6
        beam.RadiationChargeState = 6
    return beam
