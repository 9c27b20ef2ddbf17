"""``flame segment``: predicted tumour masks for the days of a centre without drawn ones."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from flame.bundles.model import open_model
from flame.core.errors import BadInput
from flame.core.imaging import LabelMap
from flame.core.progress import Progress, silent


@dataclass(frozen=True)
class SegmentedDay:
    """Predicted volumes of one day.

    Args:
        subject: pseudonym of the patient.
        session: number of the session.
        ml: volume in ml by region.
    """

    subject: str
    session: str
    ml: dict[str, float]


def run(model: Path, centre: Path, progress: Progress = silent) -> list[SegmentedDay]:
    """Predict the tumour on every day without a drawn one; write the masks next to the images.

    Later commands use the predicted core where no tumour is drawn.

    Args:
        model: folder of a run on segmentation, or a bundle of one.
        centre: folder of a preprocessed centre.
        progress: called with days done and the total.

    Returns:
        Volumes of each predicted day.

    Raises:
        BadInput: the run is not on segmentation or not finished, or the centre is not
            preprocessed.
    """
    from flame.federation.tasks.registry import task_of
    from flame.federation.tasks.segmentation import SegmentationTask
    from flame.io.bids import has_drawn_tumour, read_timepoint, write_predicted_masks
    from flame.models.segmentation.cases import images_of
    from flame.preprocessing.cohort.cohort import sessions
    from flame.preprocessing.stages.interpolation import resample
    from flame.preprocessing.stages.resampling import coarser

    trained = open_model(model)
    task = task_of(SegmentationTask, trained.task, model)
    if not (centre / "participants.tsv").exists():
        raise BadInput(f"{centre} is no finished cohort; run flame preprocess with it as OUT")
    days = [
        (subject, session, day)
        for subject in sorted(p.name.removeprefix("sub-") for p in centre.glob("sub-*"))
        for session, day in sessions(centre, subject)
        if not has_drawn_tumour(centre, subject, session)
    ]
    segmented = []
    for done, (subject, session, day) in enumerate(days, 1):
        native = read_timepoint(centre, subject, session, day)
        coarse = coarser(native, task.settings.voxel_mm)
        grid = next(iter(coarse.scans.values())).affine
        target = next(iter(native.scans.values()))
        masks = task.masks(images_of(coarse), *trained.seeds[0])
        labels = {}
        for region, mask in masks.items():
            voxels = resample(mask.astype(np.float32), grid, target.affine, target.voxels.shape)
            labels[region] = LabelMap((voxels >= 0.5).astype(np.uint8), target.affine)
        write_predicted_masks(centre, subject, session, labels, model.name)
        volumes = {region: mask.volume for region, mask in labels.items()}
        segmented.append(SegmentedDay(subject, session, volumes))
        progress(done, len(days))
    return segmented
