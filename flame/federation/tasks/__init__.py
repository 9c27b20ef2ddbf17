"""The tasks that a federation can learn, one per module; importing this package registers them."""

from flame.federation.tasks import (  # noqa: F401  (they register themselves)
    evolution,
    logistic,
    network,
    progression_type,
    response,
    segmentation,
    statistics,
    survival,
    validation,
)
