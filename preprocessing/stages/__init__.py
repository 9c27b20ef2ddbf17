"""Image stages of preprocessing, one per file."""

# Importing a stage registers it.
from flame.preprocessing.stages import (
    atlas_registration,
    bias_field,
    brain_extraction,
    coregistration,
    nyul,
    percentile,
    resampling,
    white_stripe,
    zscore,
)

__all__ = [
    "atlas_registration",
    "bias_field",
    "brain_extraction",
    "coregistration",
    "nyul",
    "percentile",
    "resampling",
    "white_stripe",
    "zscore",
]
