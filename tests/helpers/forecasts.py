"""A forecast of one patient by hand: volumes of 1 to 100 ml on day 90 under two radiations."""

from dataclasses import replace

import numpy as np

from flame.core.cohort import Timepoint
from flame.core.imaging import Scan, Sequence
from flame.core.treatment import Radiation
from flame.evaluation.pages.forecast import Prediction
from flame.models.evolution.model import Forecast
from tests.helpers.tumours import SIDE, SPACING, tumour_case

AFFINE = np.diag([SPACING, SPACING, SPACING, 1.0])
AFFINE[:3, 3] = (-40.0, -50.0, -30.0)


def prediction() -> Prediction:
    """The tumour is certain in its mask, and has a probability of one half around it."""
    case = tumour_case()
    probability = np.where(case.later[1][1], 0.5, 0.0).astype(np.float32)
    probability[case.tumour] = 1
    voxels = np.random.default_rng(0).uniform(1, 2, (SIDE,) * 3).astype(np.float32)
    baseline = Timepoint(-10, {Sequence.T1C: Scan(voxels, AFFINE, Sequence.T1C)})
    forecasts = {
        radiation: [Forecast(90, probability, np.arange(1.0, 102.0) * factor)]
        for radiation, factor in ((Radiation.PHOTON, 1.0), (Radiation.CARBON, 0.5))
    }
    return Prediction(
        "p1",
        replace(case, pseudonym="p1"),
        AFFINE,
        baseline,
        forecasts,
        0.25,
        ("a <warning>",),
        True,
        {"diffusion": (0.1, 0.05, 0.2)},
    )
