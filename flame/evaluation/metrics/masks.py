"""Registers the metrics of masks: overlap and surface distance."""

from flame.evaluation.metrics.metric import METRICS, Metric

METRICS.register("dice")(
    Metric("Dice", "Overlap with the drawn mask; of a patient the mean over days and regions.")
)
METRICS.register("hd95")(
    Metric(
        "HD95 (mm)",
        "95th percentile of the surface distance.",
        higher=False,
        bounded=False,
        margin=1.0,
    )
)
METRICS.register("surface dice")(
    Metric("Surface Dice", "Share of the surface within 3 mm of the drawn one.", detail=True)
)
