"""Intensity normalisation by mean and standard deviation."""

from flame.preprocessing.stages.intensity import within_brain
from flame.preprocessing.stages.stage import STAGES, Stage


@STAGES.register("zscore")
def zscore() -> Stage:
    """Return a stage: mean 0 and standard deviation 1 over the brain."""
    return within_brain("zscore", lambda values, _: (values - values.mean()) / values.std())
