"""Scores of a real federation from a table by hand."""

import io
from dataclasses import replace

import pandas as pd

from flame.evaluation.metrics.cross_site_report import report_of
from flame.evaluation.metrics.generalisation import UNSEEN
from flame.evaluation.pages import federation_page
from flame.federation.config import TrainConfig

TABLE = """model,tested_on,metric,value,low,high,n,events,reason
federated,a,auc,0.70,0.60,0.80,24,12,
federated,b,auc,0.60,0.45,0.75,16,8,
federated-without-a,a,auc,0.66,0.55,0.77,24,12,
federated-without-a,b,auc,0.61,0.46,0.76,16,8,
federated-without-b,b,auc,,,,16,8,no two patients to compare
local-a,a,auc,0.64,0.52,0.76,24,12,
local-a,b,auc,0.58,0.42,0.74,16,8,
"""


def test_models_and_what_they_were_trained_on(toy: TrainConfig) -> None:
    config = replace(toy, data=replace(toy.data, centres=("a", "b"), table="at-each-site"))
    report = report_of(config, pd.read_csv(io.StringIO(TABLE)))
    assert (report.metric, report.simulated) == ("auc", False)
    found = {(s.model, s.trained_on, s.tested_on): s.value for s in report.scores}
    assert found[("federated", ("a", "b"), "b")] == 0.60
    assert found[(UNSEEN, ("b",), "a")] == 0.66
    assert found[("local", ("a",), "b")] == 0.58
    assert (UNSEEN, ("b",), "b") not in found  # was trained there without cross-validation of b
    (undefined,) = [s for s in report.scores if s.reason]
    assert (undefined.tested_on, undefined.n) == ("b", 16)

    page = federation_page.render(config, report, pd.DataFrame())
    assert "0.66" in page
    assert "no two patients to compare" in page
    assert "score every model themselves" in page
    assert "Losses" not in page
