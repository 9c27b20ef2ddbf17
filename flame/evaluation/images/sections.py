"""What the report of a run on masks or forecasts has of its own."""

import pandas as pd
from markupsafe import Markup

from flame.evaluation.metrics.metric_specs import MEASURES, SHOWN
from flame.evaluation.pages.figures import dots_figure
from flame.evaluation.pages.page import Section

LIMITS = {
    "segmentation": [
        "Masks are compared on the network's grid, where a contour of the drawn mask is rounded "
        "to whole voxels. A day whose tumour was missed altogether has a Dice of 0 and no HD95.",
    ],
    "evolution": [
        "Forecasts are of the radiotherapy that was given; what another one would have done "
        "cannot be seen in patients.",
        "The 90 % band is calibrated on patients kept from training: it should cover the whole "
        "course of 90 % of new patients like them, and less of patients unlike them. Those of the "
        "baselines (persistence is the last mask again) are their errors on training patients.",
    ],
}
_STRATA = {
    "segmentation": (
        "By region",
        "The core is the gross tumour volume, the whole tumour has its oedema too.",
    ),
    "evolution": (
        "By horizon and by trend",
        "A tumour counts as grown or shrunk from a change of volume of 25 %.",
    ),
}


def image_sections(task: str, rows: pd.DataFrame, strata: pd.DataFrame) -> list[Section]:
    """Figures by stratum, and a dot a patient; ``rows`` as of ``patient_scores``."""
    shown = SHOWN[task]
    title, note = _STRATA[task]
    cells = [
        [
            row["by"],
            row["value"],
            row["model"],
            str(row["patients"]),
            *(f"{row[metric]:.2f}" for metric in shown),
        ]
        for row in strata.to_dict("records")
    ]
    dots = Markup(dots_figure(rows, shown[0], MEASURES[shown[0]].title))
    return [
        Section(
            "strata",
            title,
            f"All centres, patients predicted by cross-validation; means over patients. {note}",
            ["", "", "model", "patients", *(MEASURES[m].title for m in shown)],
            cells,
        ),
        Section(
            "patients",
            "Patient by patient",
            "Each dot is a patient, the bar the mean.",
            figure=dots,
        ),
    ]
