"""Registers the metrics of tumour forecasts; ``images.forecast_scores`` computes them."""

from flame.evaluation.metrics.metric import METRICS, Metric

METRICS.register("changed dice")(
    Metric(
        "Dice of changed voxels",
        "Overlap of the voxels that changed with those forecast to; 0 for the last mask again.",
    )
)
METRICS.register("crps")(
    Metric(
        "CRPS (ml)",
        "Error of the whole distribution of volume.",
        higher=False,
        bounded=False,
        margin=1.0,
    )
)
METRICS.register("covered 90")(
    Metric("Coverage of the 90 % band", "Share of days whose volume lies within it.")
)
METRICS.register("covered 50")(
    Metric("Coverage of the 50 % band", "Share of days whose volume lies within it.", detail=True)
)
METRICS.register("volume error")(
    Metric(
        "Relative error of the volume",
        "Of the median forecast; tumours above 1 ml.",
        higher=False,
        bounded=False,
        detail=True,
    )
)
METRICS.register("new growth AP")(
    Metric(
        "Average precision of new growth",
        "Of the voxel probability outside the last mask.",
        detail=True,
    )
)
