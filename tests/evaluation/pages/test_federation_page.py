"""The report of a real federation, with how training went."""

import io
from dataclasses import replace

import pandas as pd

from flame.evaluation.metrics.cross_site_report import report_of
from flame.evaluation.pages import federation_page
from flame.federation.config import TrainConfig
from tests.evaluation.metrics.test_cross_site_report import TABLE
from tests.evaluation.pages.test_training_page import cells, history


def test_lost_rounds_stand_beside_the_scores(toy: TrainConfig) -> None:
    config = replace(toy, data=replace(toy.data, centres=("a", "b"), table="at-each-site"))
    rounds = history(
        {"site": "a", "patients": 30, "loss": 0.5, "seconds": 1.0},
        {"site": "b", "patients": 0, "loss": None, "lost": "was silent for 5 s"},
    )
    report = report_of(config, pd.read_csv(io.StringIO(TABLE)))
    page = federation_page.render(config, report, rounds)
    assert cells(page, "sites")[-4:] == ["1", "was silent for 5 s", "", ""]
    assert page.count("<svg") >= 2
