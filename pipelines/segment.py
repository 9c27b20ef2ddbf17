"""``flame segment``: tumour masks for the days of a centre on which nobody drew any."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from flame.core.errors import BadInput
from flame.core.imaging import LabelMap
from flame.core.progress import Progress, silent
from flame.federation.run_folder import RunFolder


@dataclass(frozen=True)
class SegmentedDay:
    """Volumes in ml on one day, by region."""

    subject: str
    session: str
    ml: dict[str, float]


def run(run_folder: Path, centre: Path, progress: Progress = silent) -> list[SegmentedDay]:
    """Write the regions that the federated model was taught beside the images.

    What reads the centre afterwards takes the core where no tumour is drawn.
    """
    from flame.federation.tasks.registry import open_task_of
    from flame.federation.tasks.segmentation import SegmentationTask
    from flame.io.bids import has_drawn_tumour, read_timepoint, write_predicted_masks
    from flame.models.segmentation.cases import images_of
    from flame.preprocessing.cohort.cohort import sessions
    from flame.preprocessing.stages.interpolation import resample
    from flame.preprocessing.stages.resampling import coarser

    folder = RunFolder(run_folder)
    trained = folder.config()
    task = open_task_of(SegmentationTask, trained, run_folder)
    if not (centre / "participants.tsv").exists():
        raise BadInput(f"{centre} is no finished cohort; run flame preprocess with it as OUT")
    checkpoint = folder.federated_model(trained)
    days = [
        (subject, session, day)
        for subject in sorted(p.name.removeprefix("sub-") for p in centre.glob("sub-*"))
        for session, day in sessions(centre, subject)
        if not has_drawn_tumour(centre, subject, session)
    ]
    found = []
    for done, (subject, session, day) in enumerate(days, 1):
        whole = read_timepoint(centre, subject, session, day)
        seen = coarser(whole, task.settings.voxel_mm)
        grid = next(iter(seen.scans.values())).affine
        target = next(iter(whole.scans.values()))
        masks = task.masks(images_of(seen), checkpoint.state.weights, checkpoint.shared)
        labels = {}
        for region, mask in masks.items():
            voxels = resample(mask.astype(np.float32), grid, target.affine, target.voxels.shape)
            labels[region] = LabelMap((voxels >= 0.5).astype(np.uint8), target.affine)
        write_predicted_masks(centre, subject, session, labels, run_folder.name)
        volumes = {region: mask.volume for region, mask in labels.items()}
        found.append(SegmentedDay(subject, session, volumes))
        progress(done, len(days))
    return found
