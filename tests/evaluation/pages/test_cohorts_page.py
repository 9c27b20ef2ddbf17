"""The page of the centres shows counts as whole numbers, and intervals beside figures."""

import numpy as np
import pandas as pd

from flame.evaluation.pages.cohorts_page import render
from flame.federation.config import TrainConfig

CENTRES = pd.DataFrame(
    {"centre": ["a"], "survival known": [24.0], "deaths": [7.0], "median survival": [431.6]}
)
CURVE = pd.DataFrame(
    {"centre": ["", "a"], "times": [100.0] * 2, "alive": [0.8] * 2, "low": [0.6] * 2}
)
CURVE["high"] = 0.95
BY_CENTRE = pd.DataFrame(
    {"feature": ["age"] * 2, "centre": ["a", "b"], "known": [24, 0], "mean": [60.0, 0.0]}
)
BY_CENTRE["sd"] = 9.0


def tables(auc: float) -> dict[str, pd.DataFrame]:
    return {
        "centres": CENTRES,
        "features": features(auc),
        "features_by_centre": BY_CENTRE,
        "survival": CURVE,
    }


def features(auc: float) -> pd.DataFrame:
    row: dict[str, object] = {"feature": "age", "known": 24, "mean": 61.234, "sd": 9.87}
    row |= {"auc n": 24, "c_index n": 22}
    for name, value in (("auc", auc), ("c_index", 0.55), ("c_index_across", 0.57)):
        row |= {name: value, f"{name} low": value - 0.1, f"{name} high": value + 0.1}
    return pd.DataFrame([row])


def test_figures_of_features_and_centres(toy: TrainConfig) -> None:
    html = render(toy, False, tables(0.66), np.array([3.2, 1.0, 0.07]), ["look at <age>"])
    for text in (
        "432",
        "61.2",
        "0.66",
        "0.56 to 0.76, n 24",
        "SD 9, n 24",
        "not told",
        "look at &lt;age&gt;",
        "chi-squared 3.2 on 1 degrees of freedom, p = 0.07",
    ):
        assert text in html


def test_what_is_undefined_is_no_number(toy: TrainConfig) -> None:
    html = render(toy, False, tables(np.nan), np.full(3, np.nan), [])
    assert "nan" not in html.split("</style>")[1].split("<svg")[0]
    assert "cannot be compared" in html
