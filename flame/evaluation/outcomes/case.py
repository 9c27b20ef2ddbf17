"""Report section with one simulated case. Images of real patients never leave their centre."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from markupsafe import Markup

from flame.core.imaging import Scan, Sequence
from flame.evaluation.evaluations import FinishedRun
from flame.evaluation.images.occlusion import occlusion
from flame.evaluation.pages.figures import case_figure
from flame.evaluation.pages.sections import Section
from flame.federation.task import OutcomeTask
from flame.models.response.inputs import inputs_of
from flame.preprocessing.cohort.cohort import at_spacing, read_cohort

_ORDER = (Sequence.FLAIR, Sequence.T2, Sequence.T1, Sequence.T1C)
"""Order of the displayed sequences; T1C is last, as ``case_figure`` requires."""
_SHOWN_MM = 2.0
"""Voxel size of the displayed images in mm."""


def case_section(run: FinishedRun, task: OutcomeTask[Any]) -> list[Section]:
    """Build the report section with the images of the first patient of a run.

    Args:
        run: the finished run.
        task: task of the run.

    Returns:
        A list of one section; empty if the run has no images or if they are not simulated.
    """
    cohort = run.cohorts[0]
    config = run.config
    if not (cohort.simulated and config.model.sequences):
        return []
    folder = Path(config.data.bids) / cohort.centre
    shown = read_cohort(folder, cohort.centre, at_spacing(_SHOWN_MM), limit=1)
    baseline = shown.patients[0].baseline
    scans = [baseline.scans[s] for s in _ORDER if s in baseline.scans] if baseline else []
    if not scans:
        return []
    relevance = _relevance(run, task)
    note = (
        "Preprocessed images of one simulated patient before radiotherapy, turned like MNI152. "
        "Hiding the image lowers the predicted probability of response in red regions and raises "
        f"it in blue regions, by at most {np.abs(relevance.voxels).max():.3f}."
    )
    figure = Markup(case_figure(scans, relevance))
    return [Section("case", "Example case and occlusion map", note, figure=figure)]


def _relevance(run: FinishedRun, task: OutcomeTask[Any]) -> Scan:
    cohort = run.cohorts[0]
    inputs = inputs_of(replace(cohort, patients=cohort.patients[:1]), run.config.model)
    model = run.folder.federated_model(run.config)
    voxels = occlusion(lambda p: task.predict(p, model.state.weights, model.shared), inputs)
    baseline = cohort.patients[0].baseline
    assert baseline is not None
    scan = next(iter(baseline.scans.values()))
    return replace(scan, voxels=voxels)
