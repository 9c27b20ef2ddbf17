"""What a federation can learn: one task a file."""

from flame.federation.tasks import (  # noqa: F401  (they register themselves)
    evolution,
    logistic,
    network,
    response,
    segmentation,
    statistics,
    survival,
)
