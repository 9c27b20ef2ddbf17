"""Registers the metrics of tumour forecasts; ``images.forecast_scores`` computes them."""

from flame.evaluation.metrics.metric import METRICS, Metric

METRICS.register("changed dice")(
    Metric(
        "Dice of changed voxels",
        "Overlap of the voxels that changed with those forecast to change; 0 for a forecast that "
        "repeats the last mask.",
    )
)
METRICS.register("crps")(
    Metric(
        "CRPS (ml)",
        "Error of the forecast distribution of the volume; lower is better.",
        higher=False,
        bounded=False,
        margin=1.0,
    )
)
METRICS.register("covered 90")(
    Metric("Coverage of the 90 % band", "Share of days whose volume lies within the band.")
)
METRICS.register("covered 50")(
    Metric(
        "Coverage of the 50 % band", "Share of days whose volume lies within the band.", detail=True
    )
)
METRICS.register("volume error")(
    Metric(
        "Relative error of the volume",
        "Error of the median forecast, for tumours above 1 ml.",
        higher=False,
        bounded=False,
        detail=True,
    )
)
METRICS.register("new growth AP")(
    Metric(
        "Average precision of new growth",
        "Average precision of the voxel probabilities outside the last mask.",
        detail=True,
    )
)
