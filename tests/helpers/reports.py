"""The content of a report by hand: two centres, two models."""

import math

from flame.core.scores import CentreScore, Difference, GeneralisationReport
from flame.evaluation.pages.sections import Evaluation, Section
from flame.federation.config import TrainConfig
from flame.federation.tasks.registry import open_task


def score(model: str, trained_on: tuple[str, ...], tested_on: str, value: float) -> CentreScore:
    """An AUC of 20 patients, 8 of them responders, with an interval of 0.1 to both sides."""
    reason = "one class only" if math.isnan(value) else ""
    return CentreScore(
        model, trained_on, tested_on, "auc", value, value - 0.1, value + 0.1, 20, 8, reason
    )


def evaluation(config: TrainConfig, simulated: bool = False) -> Evaluation:
    """The report of a run on response at the centres a (20 patients) and b (40 patients)."""
    scores = (
        score("federated", ("a", "b"), "a", 0.81),
        score("federated", ("a", "b"), "b", 0.62),
        score("local", ("a",), "a", 0.70),
        score("local", ("a",), "b", 0.44),
        score("local", ("b",), "b", float("nan")),
    )
    differences = (Difference("federated", "local", "a", "auc", 0.11, 0.02, 0.2, ""),)
    report = GeneralisationReport(("a", "b"), scores, differences, "auc", simulated)
    counts = [{"centre": "a", "patients": 20}, {"centre": "b", "patients": 40}]
    section = Section("extra", "A section of the task", "with a <note>")
    return Evaluation(
        open_task(config), report, counts, [section], ["a limit"], ["a warning & its cause"]
    )
