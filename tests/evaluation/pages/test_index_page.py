"""The index of a demonstration: its words follow the figures, and its links lead somewhere."""

from pathlib import Path

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
    assert "the federated model is better than chance, AUC 0.85 (0.75 to 0.92)" in good
    assert "above 0.5 at 2 of 2 hospitals, at 2 with the whole interval" in good
    assert "more than each hospital alone: AUC 0.85 against 0.65" in good
    unlucky = verdict(report((0.4, 0.7), (0.7, 0.8), 0.4), (0.55, 0.45, 0.65))
    assert "not shown to be better than chance" in unlucky
    assert "above 0.5 at 1 of 2 hospitals, at 0 with the whole interval" in unlucky
    assert "no more than each hospital alone: AUC 0.55 against 0.75" in unlucky


def test_the_table_shows_the_own_model_of_each_hospital() -> None:
    columns, rows = matrix(report((0.9, 0.8), (0.7, 0.6), 0.6))
    assert columns == ["hospital", "federated", "never saw the hospital", "hospital alone"]
    assert [cell if isinstance(cell, str) else cell.text for cell in rows[0]] == [
        "a",
        "0.90",
        "",
        "0.70",
    ]


def test_links_are_relative_to_the_page(tmp_path: Path) -> None:
    step = Step("one", "One", "Look here.", {"A page": tmp_path / "run" / "report.html"})
    html = render(tmp_path, "Title", [step], "In words.", True, ["a limit"], DemoPatients())
    assert 'href="run/report.html"' in html
    assert str(tmp_path) not in html
    assert "In words." in html
