"""Configuration of the segmentation model."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge, Gt, MultipleOf

from flame.core.config import Rule, Section


def width_rule(filters: int, key: str) -> Rule:
    """Check the width of a U-Net, whose channels are normalised in groups of equal size.

    Args:
        filters: width of the first convolution.
        key: the configuration key that the message names.

    Returns:
        Whether the width is valid, and the message for an invalid one.

    Example:
        >>> width_rule(12, "evolution.filters")
        (False, 'evolution.filters: 4, or a multiple of 8')
    """
    return filters == 4 or filters % 8 == 0, f"{key}: 4, or a multiple of 8"


@dataclass(frozen=True)
class SegmentationConfig(Section):
    """Configuration of the segmentation network and of its training."""

    voxel_mm: Annotated[float, Gt(0)] = 2.0
    """Voxel size in mm to which images are resampled."""
    patch: Annotated[int, Ge(8), MultipleOf(8)] = 64
    """Side length of a training patch in voxels."""
    filters: Annotated[int, Ge(4), MultipleOf(4)] = 16
    """Number of filters of the first convolution: 4, or a multiple of 8."""
    batch_size: Annotated[int, Ge(1)] = 2
    """Number of patches per batch."""
    learning_rate: Annotated[float, Gt(0)] = 2e-3
    """Initial learning rate of AdamW; it decays along a cosine."""
    steps: Annotated[int, Ge(1)] = 1600
    """Number of batches over the whole training."""

    def rules(self) -> Iterator[Rule]:
        """Require filters that divide into 8 groups for normalisation; 4 filters form 4 groups."""
        yield width_rule(self.filters, "segmentation.filters")
