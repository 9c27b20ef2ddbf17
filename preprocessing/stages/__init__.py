"""Image stages of preprocessing, one per file."""

from flame.preprocessing.stages import (  # noqa: F401  (they register themselves)
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
