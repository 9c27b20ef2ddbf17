"""What is measured of each task, in words, and how much worse still counts as not worse."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Measure:
    """``higher`` is better, or lower; ``bounded`` by 0 and 1; without skill it is at ``chance``.

    A model is not worse than another while the interval of their difference stays within
    ``margin``.
    """

    title: str
    note: str = ""
    higher: bool = True
    bounded: bool = True
    chance: float | None = None
    margin: float = 0.05


MEASURES = {
    "auc": Measure("AUC of response", "Area under the ROC curve.", chance=0.5),
    "auprc": Measure(
        "AUPRC of response",
        "Area under the precision-recall curve; without skill it is the share of responders.",
    ),
    "balanced accuracy": Measure(
        "Balanced accuracy",
        "Mean of sensitivity and specificity, cut at the share of responders in training.",
        chance=0.5,
    ),
    "brier": Measure("Brier score", "Squared error of the probability.", higher=False, margin=0.02),
    "calibration slope": Measure(
        "Calibration slope", "1 is ideal; below, predictions are too extreme.", bounded=False
    ),
    "calibration intercept": Measure(
        "Calibration intercept",
        "0 is ideal; below, the outcome is rarer than predicted.",
        bounded=False,
    ),
    "c_index": Measure(
        "C-index of survival", "Pairs in which who lived longer was told.", chance=0.5
    ),
    "dice": Measure(
        "Dice", "Overlap with the drawn mask; of a patient the mean over days and regions."
    ),
    "hd95": Measure(
        "HD95 (mm)",
        "95th percentile of the surface distance.",
        higher=False,
        bounded=False,
        margin=1.0,
    ),
    "changed dice": Measure(
        "Dice of changed voxels",
        "Overlap of what changed with what was said to; 0 for the last mask again.",
    ),
    "crps": Measure(
        "CRPS (ml)",
        "Error of the whole distribution of volume.",
        higher=False,
        bounded=False,
        margin=1.0,
    ),
    "covered 90": Measure(
        "Coverage of the 90 % band", "Share of days whose volume lies within it."
    ),
}
SHOWN = {
    "response": (
        "auc",
        "auprc",
        "balanced accuracy",
        "brier",
        "calibration slope",
        "calibration intercept",
        "c_index",
    ),
    "survival": ("c_index", "calibration slope"),
    "segmentation": ("dice", "hd95"),
    "evolution": ("changed dice", "dice", "hd95", "crps", "covered 90"),
}
"""By task; the first is the one that a run is about."""
