"""Evaluates tumour masks at each centre."""

import numpy as np
import pandas as pd

from flame.core.progress import Progress
from flame.evaluation.evaluations import EVALUATIONS, Evaluated, FinishedRun
from flame.evaluation.images.evaluation import evaluated
from flame.evaluation.images.forecast_scores import surface
from flame.evaluation.images.scores import patient_scores
from flame.evaluation.metrics.generalisation import pairs
from flame.evaluation.metrics.out_of_sample import OutOfSample
from flame.federation.tasks.registry import task_of
from flame.federation.tasks.segmentation import SegmentationTask
from flame.models.segmentation.case_table import dice
from flame.models.segmentation.cases import REGIONS


@EVALUATIONS.register("masks")
def evaluate_masks(run: FinishedRun, progress: Progress) -> Evaluated:
    """Compute Dice and HD95 of every model at every centre.

    Args:
        run: the finished run.
        progress: called with the number of models done and their total.

    Returns:
        Content of the report, and the table ``strata``.
    """
    rows = pd.concat(patient_scores(run, mask_scores, progress), ignore_index=True)
    return evaluated(run, rows, pairs(run.config.federation.compare), ())


def mask_scores(run: FinishedRun, part: OutOfSample) -> pd.DataFrame:
    """Compute Dice and HD95 of one model on the grid of the network.

    Args:
        run: the finished run.
        part: the model and patients that it was not trained on.

    Returns:
        One row for each patient, imaging day and region with a reference mask; HD95 in mm.
    """
    task = task_of(SegmentationTask, run.task, run.folder.path)
    model = run.folder.model(part.training)
    rows = []
    patients = part.patients.take(part.rows)
    for pseudonym, cases in zip(patients.pseudonyms, patients.cases, strict=True):
        for case in cases:
            masks = task.masks(case.images, model.state.weights, model.shared)
            for region, mask in masks.items():
                truth = case.regions[..., REGIONS.index(region)]
                if truth.min() >= 0:  # negative: the region has no reference mask
                    rows.append(
                        {
                            "model": part.model,
                            "patient": pseudonym,
                            "seed": part.training.seed,
                            "region": region,
                            "dice": dice(mask, np.asarray(truth > 0.5)),
                            "hd95": surface(mask, truth > 0.5, task.settings.voxel_mm)[0],
                        }
                    )
    return pd.DataFrame(rows)
