"""The index of a demonstration: its words follow the figures, and its links lead somewhere."""

from pathlib import Path

import pytest

from flame.core.scores import CentreScore, GeneralisationReport
from flame.evaluation.pages.index_page import Step, matrix, render, verdict
from flame.pipelines.demo_patients import DemoPatients


def report(
    federated: tuple[float, ...], alone: tuple[float, ...], low: float
) -> GeneralisationReport:
    scores = []
    for centre, ours, own in zip("ab", federated, alone, strict=True):
        scores.append(CentreScore("federated", ("a", "b"), centre, "auc", ours, low, 1.0, 9, 4))
        scores.append(CentreScore("local", (centre,), centre, "auc", own, 0.2, 1.0, 9, 4))
        scores.append(CentreScore("local", ("x",), centre, "auc", 0.99, 0.9, 1.0, 9, 4))
    return GeneralisationReport(("a", "b"), tuple(scores), (), "auc", True)


def test_the_verdict_says_what_the_figures_say() -> None:
    good = verdict(report((0.9, 0.8), (0.7, 0.6), 0.6), (0.85, 0.75, 0.92))
    assert "the federated model reaches 0.80 to 0.90 at 2 hospitals" in good
    # The upper ends are 1.0, so that the mean has no interval.
    assert "the whole interval is better than chance at 2 of 2 that have one" in good
    assert "this model 0.85, each hospital's own model 0.65" in good
    assert "together, cross-validated, the federated model is better than chance: AUC 0.85" in good
    unlucky = verdict(report((0.4, 0.7), (0.7, 0.8), 0.4), (0.55, 0.45, 0.65))
    assert "the federated model is not shown to be better than chance: AUC 0.55" in unlucky
    assert "better than chance at 0 of 2 that have one" in unlucky
    assert "this model 0.55, each hospital's own model 0.75" in unlucky


def test_the_table_shows_the_own_model_of_each_hospital() -> None:
    columns, rows = matrix(report((0.9, 0.8), (0.7, 0.6), 0.6))
    assert columns == ["hospital", "federated", "never saw the hospital", "hospital alone"]
    assert [cell if isinstance(cell, str) else cell.text for cell in rows[0]] == [
        "a",
        "0.90",
        "",
        "0.70",
    ]


@pytest.mark.parametrize("relative", [False, True], ids=["absolute", "relative"])
def test_links_are_relative_to_the_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, relative: bool
) -> None:
    monkeypatch.chdir(tmp_path.parent)
    out = Path(tmp_path.name) if relative else tmp_path
    step = Step("one", "One", "Look here.", {"A page": tmp_path / "run" / "report.html"})
    html = render(out, "Title", [step], "In words.", True, ["a limit"], DemoPatients())
    assert 'href="run/report.html"' in html
    assert str(tmp_path) not in html
    assert "In words." in html
