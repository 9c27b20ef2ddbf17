"""Intensity normalisation by percentiles."""

import numpy as np

from flame.core.errors import StageFailed
from flame.core.imaging import Sequence
from flame.preprocessing.stages.intensity import Values, within_brain
from flame.preprocessing.stages.stage import STAGES, Stage


@STAGES.register("percentile")
def percentile(low: float = 1.0, high: float = 99.0) -> Stage:
    """Return a stage: the ``low`` and ``high`` percentiles of the brain become 0 and 1, clipped."""

    def normalise(values: Values, sequence: Sequence) -> Values:
        bottom, top = np.percentile(values, (low, high))
        if not top > bottom:
            raise StageFailed(f"{sequence}: percentiles {low:g} and {high:g} are equal")
        return np.asarray(np.clip((values - bottom) / (top - bottom), 0, 1), np.float32)

    return within_brain("percentile", normalise, {"low": low, "high": high})
