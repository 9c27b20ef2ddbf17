"""``flame segment``: tumour masks for the days of a centre on which nobody drew any."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from flame.core.errors import BadInput
from flame.core.imaging import LabelMap
from flame.models.segmentation_cases import REGIONS
from flame.pipelines.train import load_run


@dataclass(frozen=True)
class SegmentedDay:
    """Volumes of REGIONS in ml on one day."""

    subject: str
    session: str
    ml: tuple[float, ...]


def run(
    run_folder: Path, centre: Path, progress: Callable[[int, int], None] = lambda done, total: None
) -> list[SegmentedDay]:
    """Write whole tumour, core and enhancing tumour beside the images, by the federated model.

    What reads the centre afterwards takes the core where no tumour is drawn.
    """
    from flame.federation.checkpoint import finished
    from flame.federation.plan import FEDERATED, Federation
    from flame.federation.segmentation_task import SegmentationTask
    from flame.io.bids import has_drawn_tumour, read_timepoint, write_predicted_masks
    from flame.models.segmentation_cases import images_of
    from flame.preprocessing.cohort import sessions
    from flame.preprocessing.interpolation import resample
    from flame.preprocessing.resampling import coarser

    trained = load_run(run_folder)
    if trained.task != "segmentation":
        raise BadInput(f"{run_folder} is a run on {trained.task}; give one on segmentation")
    if not (centre / "participants.tsv").exists():
        raise BadInput(f"{centre} is no finished cohort; run flame preprocess with it as OUT")
    name = Federation(FEDERATED, trained.data.centres, trained.training.seeds[0], 0).name
    weights, model = finished(run_folder, name).state.weights, SegmentationTask(trained).model
    days = [
        (subject, session, day)
        for subject in sorted(p.name.removeprefix("sub-") for p in centre.glob("sub-*"))
        for session, day in sessions(centre, subject)
        if not has_drawn_tumour(centre, subject, session)
    ]
    found = []
    for done, (subject, session, day) in enumerate(days, 1):
        whole = read_timepoint(centre, subject, session, day)
        seen = coarser(whole, trained.segmentation.voxel_mm)
        grid = next(iter(seen.scans.values())).affine
        target = next(iter(whole.scans.values()))
        masks = model.masks(weights, images_of(seen)).astype(np.float32)
        labels = {
            region: LabelMap(
                (resample(masks[..., n], grid, target.affine, target.voxels.shape) >= 0.5)
                .astype(np.uint8), target.affine,
            )
            for n, region in enumerate(REGIONS)
        }  # fmt: skip
        write_predicted_masks(centre, subject, session, labels, run_folder.name)
        found.append(SegmentedDay(subject, session, tuple(m.volume for m in labels.values())))
        progress(done, len(days))
    return found
