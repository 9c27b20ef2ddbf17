"""The page of a run in progress, from a history by hand."""

import re

import pandas as pd

from flame.evaluation.pages.training_page import render
from flame.federation.config import TrainConfig


def cells(html: str, section: str) -> list[str]:
    table = re.search(rf'id="{section}-table".*?</table>', html, re.DOTALL)
    assert table is not None
    return re.findall(r'<(?:td|th scope="row")>(.*?)</t[dh]>', table.group())


def history(*rows: dict[str, object]) -> pd.DataFrame:
    common = {"training": "federated.seed-0.all", "round": 1, "round_seconds": 5.0, "lost": ""}
    return pd.DataFrame([{**common, **row} for row in rows])


def test_sites_that_reply_and_sites_that_are_lost(toy: TrainConfig) -> None:
    html = render(
        toy,
        None,
        history(
            {"site": "a", "patients": 30, "loss": 0.5, "seconds": 1.0},
            {"site": "b", "patients": 0, "loss": None, "lost": "was silent for 5 s"},
        ),
        {},
    )
    a, b = ["a", "1", "0", "", "30", "1.000"], ["b", "0", "1", "was silent for 5 s", "", ""]
    assert cells(html, "sites") == a + b
    assert "<svg" in html


def test_the_mean_loss_is_weighted_by_patients(toy: TrainConfig) -> None:
    html = render(
        toy,
        False,
        history(
            {"site": "a", "patients": 30, "loss": 1.0, "seconds": 1.0},
            {"site": "b", "patients": 10, "loss": 0.2, "seconds": 2.0},
        ),
        {},
    )
    # (30 x 1.0 + 10 x 0.2) / 40 = 0.8
    assert cells(html, "trainings") == ["federated, seed 0", "1", "0.800", "", "5.00"]


def test_the_time_that_is_left(toy: TrainConfig) -> None:
    rows = history({"site": "a", "patients": 30, "loss": 1.0, "seconds": 1.0})
    html = render(toy, False, rows, {"federated": 10, "local": 6}, refresh_s=30)
    # 10 trainings of 3 rounds at 5 s each, one of which is done: 29 x 5 s = 145 s
    assert "At most 2 min left for this kind" in html
    assert "Of 10 trainings of the kind federated, 1 have begun." in html
    assert "Load this page again every 30 s" in html
