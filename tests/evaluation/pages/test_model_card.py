"""The model card states the figures of the run, in a table that Markdown renders."""

from dataclasses import replace

from flame.evaluation.pages.model_card import model_card
from flame.federation.config import TrainConfig
from tests.helpers.reports import evaluation


def test_figures_of_each_centre_and_model(toy: TrainConfig) -> None:
    lines = model_card(evaluation(toy)).splitlines()
    assert "| hospital | federated | local |" in lines
    assert "| a | 0.81 (0.71 to 0.91) | 0.70 (0.60 to 0.80) |" in lines
    assert "| b | 0.62 (0.52 to 0.72) | n/a |" in lines
    assert "| a | 20 |" in lines
    assert "- a limit" in lines
    assert "- a warning & its cause" in lines


def test_it_says_whether_patients_are_real(toy: TrainConfig) -> None:
    content = evaluation(toy)
    assert "(real patients)" in model_card(content)
    report = replace(content.report, simulated=True)
    assert "(simulated patients)" in model_card(replace(content, report=report))
