"""Registers every evaluation. Importing this module loads heavy libraries."""

from flame.evaluation.evaluations import EVALUATIONS
from flame.evaluation.images import forecasts, masks  # noqa: F401  (they register themselves)
from flame.evaluation.outcomes import evaluation  # noqa: F401  (it registers itself)

__all__ = ["EVALUATIONS"]
