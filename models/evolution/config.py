"""Configuration of an evolution model."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge, MultipleOf

from flame.core.config import Rule, Section
from flame.models.segmentation.config import width_rule

BASELINES = (
    "persistence",
    "cohort rate",
    "last rate",
    "Gompertz",
    "dilation",
    "log-linear",
    "linear",
    "neighbours",
    "dose alone",
)
"""Models that predict a volume alone and use no image."""


@dataclass(frozen=True)
class EvolutionConfig(Section):
    """Configuration of an evolution model and of its training."""

    model: str = "hybrid"
    """Name of the model: surface (masks and days are enough), mechanistic, U-Net or hybrid."""
    steps: Annotated[int, Ge(1)] = 600
    """Number of batches over the whole training of the network."""
    batch_size: Annotated[int, Ge(1)] = 4
    """Number of patients per batch."""
    filters: Annotated[int, Ge(4), MultipleOf(4)] = 8
    """Number of filters of the first convolution: 4, or a multiple of 8."""
    calibration: Annotated[int, Ge(2)] = 3
    """Every n-th training patient is held out to calibrate the volume band."""
    latest_day: Annotated[int, Ge(0)] = 0
    """Last day from the start of radiotherapy that is used for training and forecast; 0: the last
    day of the data."""

    compare: tuple[str, ...] = BASELINES
    """Registered models that are trained on pooled patients and evaluated for comparison."""

    def rules(self) -> Iterator[Rule]:
        """Require filters that divide into 8 groups for normalisation; 4 filters form 4 groups."""
        yield width_rule(self.filters, "evolution.filters")
