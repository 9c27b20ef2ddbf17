"""What is said over centres: verdicts by hand, the worst centre, random effects on the logit."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import expit, logit

from flame.core.scores import CentreScore, Difference, GeneralisationReport
from flame.evaluation.metrics.generalisation import at_centre, by_centre, over_centres, verdict

CENTRES = ("a", "b", "c")


def score(
    model: str, trained: tuple[str, ...], tested: str, value: float, half: float = 0.1
) -> CentreScore:
    low, high = expit(logit(value) - half), expit(logit(value) + half)
    return CentreScore(model, trained, tested, "auc", value, low, high, 40, 10)


def gap(low: float, high: float, metric: str = "auc") -> Difference:
    return Difference("federated", "local", "a", metric, (low + high) / 2, low, high, "")


REPORT = GeneralisationReport(
    CENTRES,
    (
        *(score("federated", CENTRES, c, v) for c, v in zip(CENTRES, (0.8, 0.6, 0.7), strict=True)),
        score("local", ("a",), "a", 0.75),
        score("local", ("b",), "a", 0.5),
    ),
    (gap(-0.02, 0.04),),
    "auc",
    False,
)


@pytest.mark.parametrize(
    ("low", "high", "metric", "expected"),
    [
        (-0.04, 0.02, "auc", "not worse"),
        (-0.06, 0.02, "auc", "undecided"),
        (-0.20, -0.06, "auc", "worse"),
        (-0.02, 0.90, "crps", "not worse"),  # smaller is better, margin 1 ml
        (1.50, 2.00, "crps", "worse"),
        (np.nan, np.nan, "auc", ""),
    ],
)
def test_verdicts_by_hand(low: float, high: float, metric: str, expected: str) -> None:
    assert verdict(gap(low, high, metric)) == expected


def test_the_margin_can_be_set() -> None:
    assert verdict(gap(-0.04, 0.02), 0.03) == "undecided"


def test_local_is_that_of_the_centre_itself() -> None:
    found = at_centre(REPORT, "auc", "a")
    assert {m: s.value for m, s in found.items()} == {"federated": 0.8, "local": 0.75}


def test_over_centres_by_hand() -> None:
    (federated,) = over_centres(REPORT)  # the local model of one centre is not at every centre
    assert (federated.worst, federated.worst_value) == ("b", 0.6)
    # Equal errors: the mean on the logit scale is the plain one.
    assert federated.effects.mean == pytest.approx(expit(np.mean(logit([0.8, 0.6, 0.7]))))
    assert federated.effects.new_low < federated.effects.low


def test_a_centre_at_the_end_of_the_scale_is_no_number() -> None:
    perfect = tuple(
        replace(s, value=1.0, high=1.0) if s.tested_on == "a" else s for s in REPORT.scores
    )
    (found,) = over_centres(replace(REPORT, scores=perfect))
    assert np.isnan(found.effects.mean)
    assert found.effects.reason == "the value or interval of a hospital reaches 0 or 1"


def test_a_row_a_centre() -> None:
    table = by_centre(REPORT, None).set_index("centre")
    assert list(table.index) == list(CENTRES)
    assert table.loc["a", ["n", "events", "federated", "local"]].tolist() == [40, 10, 0.8, 0.75]
    assert table.loc["a", "federated - local verdict"] == "not worse"
