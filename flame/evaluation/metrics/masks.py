"""Registers the metrics of masks: overlap and surface distance."""

from flame.evaluation.metrics.metric import METRICS, Metric

METRICS.register("dice")(
    Metric("Dice", "Overlap with the reference mask; mean over days and regions of each patient.")
)
METRICS.register("hd95")(
    Metric(
        "HD95 (mm)",
        "95th percentile of the surface distance; lower is better.",
        higher=False,
        bounded=False,
        margin=1.0,
    )
)
METRICS.register("surface dice")(
    Metric("Surface Dice", "Share of the surface within 3 mm of the reference.", detail=True)
)
