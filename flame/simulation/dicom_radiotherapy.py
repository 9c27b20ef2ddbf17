"""Writing of simulated radiotherapy: RT Structure Set, Dose, Plan, Ion Plan and Registration."""

from collections.abc import Mapping
from pathlib import Path

import contourpy
import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileDataset
from pydicom.sequence import Sequence as Items
from pydicom.uid import RTDoseStorage, RTStructureSetStorage, SpatialRegistrationStorage

from flame.core.treatment import Radiation, Treatment
from flame.io.dicom.rt_objects import fill_dose, fill_plan, item, plan_class
from flame.simulation.dicom_images import Study, base_dataset, save, uid


def _rt_object(study: Study, sop_class: str, modality: str, name: str) -> FileDataset:
    """Make a dataset of radiotherapy, in a series of its own with the description ``name``."""
    dataset = base_dataset(study, sop_class, uid(study.study_uid, name), modality)
    dataset.SeriesInstanceUID = uid(study.study_uid, name, "series")
    dataset.SeriesNumber = 100
    dataset.SeriesDescription = name
    dataset.Manufacturer = "FLAME simulator"
    dataset.OperatorsName = ""
    return dataset


def write_structures(
    path: Path, study: Study, masks: Mapping[str, NDArray[np.bool_]], affine: NDArray[np.float64]
) -> None:
    """Write an RT Structure Set with regions as closed planar contours.

    Args:
        path: file to write.
        study: patient and study.
        masks: masks (x, y, z) by name; each slice along z has its own contours.
        affine: RAS+ affine (4, 4) of the masks in mm.
    """
    dataset = _rt_object(study, RTStructureSetStorage, "RTSTRUCT", "GTV")
    dataset.StructureSetLabel = "GTV"
    dataset.StructureSetDate = dataset.StudyDate
    dataset.StructureSetTime = "120000"
    dataset.ReferencedFrameOfReferenceSequence = Items([item(FrameOfReferenceUID=study.frame_uid)])
    dataset.StructureSetROISequence = Items([])
    dataset.ROIContourSequence = Items([])
    dataset.RTROIObservationsSequence = Items([])
    for number, (name, mask) in enumerate(masks.items(), 1):
        region = item(ROINumber=number, ROIName=name, ROIGenerationAlgorithm="AUTOMATIC")
        region.ReferencedFrameOfReferenceUID = study.frame_uid
        dataset.StructureSetROISequence.append(region)
        drawn = item(ReferencedROINumber=number, ROIDisplayColor=[255, 0, 0])
        drawn.ContourSequence = Items(_contours(mask, affine))
        dataset.ROIContourSequence.append(drawn)
        meaning = item(ObservationNumber=number, ReferencedROINumber=number, ROIInterpreter="")
        meaning.RTROIInterpretedType = name if name in ("GTV", "CTV", "PTV") else "ORGAN"
        dataset.RTROIObservationsSequence.append(meaning)
    save(dataset, path)


def _contours(mask: NDArray[np.bool_], affine: NDArray[np.float64]) -> list[Dataset]:
    contours = []
    for z in np.flatnonzero(mask.any(axis=(0, 1))):
        lines = contourpy.contour_generator(z=mask[:, :, z].T.astype(float)).lines(0.5)
        for line in lines:
            index = np.column_stack([line[:-1], np.full(len(line) - 1, z)])
            lps = (index @ affine[:3, :3].T + affine[:3, 3]) * [-1, -1, 1]
            contour = item(ContourGeometricType="CLOSED_PLANAR", NumberOfContourPoints=len(lps))
            contour.ContourData = [f"{v:.2f}" for v in lps.ravel()]
            contours.append(contour)
    return contours


def write_registration(
    path: Path, study: Study, source: str, target: str, matrix: NDArray[np.float64]
) -> None:
    """Write a rigid Spatial Registration object.

    Args:
        path: file to write.
        study: patient and study.
        source: FrameOfReferenceUID of the points.
        target: FrameOfReferenceUID that they are mapped to.
        matrix: RAS+ matrix (4, 4) in mm from source to target.
    """
    dataset = _rt_object(study, SpatialRegistrationStorage, "REG", "Registration")
    dataset.FrameOfReferenceUID = target
    dataset.ContentLabel, dataset.ContentCreatorName = "REGISTRATION", ""
    dataset.ContentDate, dataset.ContentTime = dataset.StudyDate, "120000"
    dataset.InstanceNumber = 1
    lps = np.diag([-1.0, -1.0, 1.0, 1.0])
    items = []
    for frame, move in ((target, np.eye(4)), (source, lps @ matrix @ lps)):
        step = item(FrameOfReferenceTransformationMatrixType="RIGID")
        step.FrameOfReferenceTransformationMatrix = [f"{v:.10g}" for v in move.ravel()]
        chain = item(MatrixSequence=Items([step]))
        items.append(item(FrameOfReferenceUID=frame, MatrixRegistrationSequence=Items([chain])))
    dataset.RegistrationSequence = Items(items)
    save(dataset, path)


def write_dose(
    path: Path,
    study: Study,
    dose: NDArray[np.float32],
    affine: NDArray[np.float64],
    biological: bool,
    number: int = 1,
) -> None:
    """Write the dose of a plan as RT Dose.

    Args:
        path: file to write.
        study: patient and study.
        dose: dose (x, y, z) in Gy.
        affine: RAS+ affine (4, 4) in mm, with its axes along those of the world.
        biological: whether the dose is RBE-weighted: DoseType EFFECTIVE instead of PHYSICAL.
        number: number of the plan, as ``write_plans`` counts them.
    """
    dataset = _rt_object(study, RTDoseStorage, "RTDOSE", f"Dose {number}")
    radiation = Radiation.PROTON if biological else Radiation.PHOTON
    plan = plan_class(radiation), uid(study.study_uid, f"Plan {number}")
    fill_dose(dataset, dose, affine, plan, biological)
    save(dataset, path)


def write_plans(folder: Path, study: Study, treatment: Treatment) -> None:
    """Write one plan per phase: an RT Plan for photons, an RT Ion Plan for ions.

    The date of a plan is the day on which its phase starts.

    Args:
        folder: folder of the files.
        study: patient and study; its day is the start of radiotherapy.
        treatment: course of radiotherapy.
    """
    for number, phase in enumerate(treatment.phases, 1):
        name = f"Plan {number}"
        dataset = _rt_object(study, plan_class(phase.radiation), "RTPLAN", name)
        fill_plan(dataset, phase, name, study.day, "SIM")
        save(dataset, folder / f"RP{number}.dcm")
