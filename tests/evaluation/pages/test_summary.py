"""What a report says first: figures by hand, and the cases at the edges."""

from flame.core.scores import CentreScore, Difference, GeneralisationReport
from flame.evaluation.pages.summary import forest_section, in_words

UNSEEN = "federated leave-one-out"


def score(model: str, centre: str, value: float, half: float = 0.1) -> CentreScore:
    trained = (centre,) if model == "local" else ("a", "b", "c")
    low, high = value - half, value + half
    return CentreScore(model, trained, centre, "auc", value, low, high, 40, 20)


def report(values: dict[str, tuple[float, ...]], *gaps: Difference) -> GeneralisationReport:
    scores = [
        score(model, centre, value)
        for model, by_centre in values.items()
        for centre, value in zip("abc", by_centre, strict=False)
    ]
    names = tuple("abc"[: len(next(iter(values.values())))])
    return GeneralisationReport(names, tuple(scores), gaps, "auc", True)


def test_means_are_of_the_same_hospitals_and_baselines_are_named() -> None:
    gap = Difference(UNSEEN, "logistic", "a", "auc", -0.1, -0.2, 0.0, "")
    pooled = Difference(UNSEEN, "pooled leave-one-out", "a", "auc", 0.0, 0.0, 0.0, "")
    values = {UNSEEN: (0.7, 0.8, 0.9), "local": (0.6, 0.7, 0.8), "logistic": (0.8, 0.9, 0.85)}
    values["pooled leave-one-out"] = (0.9, 0.9, 0.9)  # no baseline
    text = in_words(report(values, gap, pooled))
    assert "reaches 0.70 to 0.90 at 3 hospitals (AUC of response)" in text
    assert "better than chance" in text
    assert (
        "this model 0.80, each hospital's own model 0.70, the best baseline (logistic) 0.85" in text
    )


def test_worse_than_chance_is_said() -> None:
    text = in_words(report({UNSEEN: (0.2, 0.22, 0.21), "local": (0.5, 0.5, 0.5)}))
    assert "worse than chance" in text


def test_one_hospital_has_no_mean() -> None:
    text = in_words(report({"federated": (0.8,), "local": (0.7,)}))
    assert "Cross-validated, the federated model reaches 0.80 at a" in text
    assert "(0.70 to 0.90): better than chance" in text
    assert "over" not in text.split("There:")[1]
    assert "mean over" not in forest_section(report({"federated": (0.8,), "local": (0.7,)})).note


def test_a_hospital_without_a_value_is_told_in_the_plot() -> None:
    nan = float("nan")
    found = report({UNSEEN: (0.7, 0.8, 0.9)})
    without = CentreScore(UNSEEN, ("a",), "b", "auc", nan, nan, nan, 9, 0, "one class only")
    scores = tuple(without if s.tested_on == "b" else s for s in found.scores)
    broken = GeneralisationReport(found.centres, scores, (), "auc", True)
    assert "at 2 hospitals" in in_words(broken)
    assert "undefined: one class only" in str(forest_section(broken).figure)
