"""The four RANO ratings of LUMIERE from sizes, texture and earlier ratings, split by patient.

    python benchmarks/four_ratings.py TABLES [--quick]

TABLES holds lumiere_visits.csv. The rating of a visit is predicted from what is known at it: size
and texture of the lesion, their changes, age, MGMT and the ratings before. Logistic regression
with C = 0.1 and equal weight of the four ratings, both fixed before they were tried; 5 folds of
patients. Beside it: the last rating carried forward, and always PD, whose balanced accuracy is
0.25. arXiv:2504.18268 reports 0.51 for networks on the images of LUMIERE, on splits of its own.
"""

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from response import RATINGS, known, sized
from result_line import add_quick, print_result_line
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

PRESENT = ("PD now", "SD now", "response now", "rated")
"""What ``known`` tells of the rating of the visit itself, which is the outcome here."""
EARLIER = ("share of PD", "PD before", *(f"last {rating}" for rating in RATINGS))
"""What is known of the ratings before."""


def rated_visits(table: pd.DataFrame) -> pd.DataFrame:
    """Return one row per rated visit with an earlier one: patient, rating, last rating, inputs."""
    rows = []
    texture = [c for c in table.columns if c.startswith("original_")]
    for patient, visits in sized(table).groupby("Patient"):
        for now in range(1, len(visits)):
            present, past = visits.iloc[now], visits.iloc[: now + 1]
            before = past.rating[:-1][past.rating[:-1].isin(RATINGS)]
            if present.rating not in RATINGS or not present[texture].notna().all():
                continue
            hidden = past.assign(rating=[*past.rating[:-1], ""])
            inputs = {k: v for k, v in known(hidden, present).items() if k not in PRESENT}
            last = before.iloc[-1] if len(before) else "SD"
            rows.append(
                {"patient": patient, "rating": present.rating, "last": last}
                | {f"last {r}": float(last == r) for r in RATINGS}
                | inputs
                | present[texture].astype(float).to_dict()
            )
    return pd.DataFrame(rows)


def predicted(visits: pd.DataFrame, seed: int, ratings: bool) -> np.ndarray:
    """Predict the rating of each visit by a model that did not see its patient.

    ``ratings`` says whether it sees the earlier ratings of the patient.
    """
    x = visits.drop(columns=["patient", "rating", "last", *([] if ratings else EARLIER)])
    x = x.astype(float)
    found = np.empty(len(visits), object)
    folds = StratifiedGroupKFold(5, shuffle=True, random_state=seed)
    for train, test in folds.split(x, visits.rating, visits.patient):
        filled = x.fillna(x.iloc[train].median())
        model = make_pipeline(
            StandardScaler(), LogisticRegression(C=0.1, class_weight="balanced", max_iter=2000)
        )
        model.fit(filled.iloc[train], visits.rating.iloc[train])
        found[test] = model.predict(filled.iloc[test])
    return found


def intervals(visits: pd.DataFrame, calls: dict[str, list[np.ndarray]], samples: int) -> Any:
    """Return the mean balanced accuracy over seeds of each rule, with a 95 % interval.

    Patients are resampled, with all their visits.
    """
    rating = visits.rating.to_numpy()
    rows = [np.flatnonzero(visits.patient == name) for name in visits.patient.unique()]

    def of(called: list[np.ndarray], index: np.ndarray) -> float:
        return float(np.mean([balanced_accuracy_score(rating[index], c[index]) for c in called]))

    rng = np.random.default_rng(0)
    drawn = [
        np.concatenate([rows[i] for i in rng.integers(0, len(rows), len(rows))])
        for _ in range(samples)
    ]
    found = {}
    for name, called in calls.items():
        low, high = np.quantile([of(called, index) for index in drawn], [0.025, 0.975])
        found[name] = [of(called, np.arange(len(rating))), float(low), float(high)]
    gaps = [of(calls["model"], i) - of(calls["last rating"], i) for i in drawn]
    middle = found["model"][0] - found["last rating"][0]
    found["model less last rating"] = [middle, *map(float, np.quantile(gaps, [0.025, 0.975]))]
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("tables", type=Path)
    add_quick(parser, "one seed, 50 bootstrap samples")
    arguments = parser.parse_args()
    visits = rated_visits(pd.read_csv(arguments.tables / "lumiere_visits.csv"))
    seeds = range(1 if arguments.quick else 5)
    calls = {
        "model": [predicted(visits, seed, True) for seed in seeds],
        "model without ratings": [predicted(visits, seed, False) for seed in seeds],
        "last rating": [visits["last"].to_numpy()],
        "always PD": [np.full(len(visits), "PD", object)],
    }
    counts = visits.rating.value_counts()
    print(f"{len(visits)} visits of {visits.patient.nunique()} patients: {counts.to_dict()}")
    figures = intervals(visits, calls, 50 if arguments.quick else 2000)
    print("Balanced accuracy of PD, SD, PR and CR, with a 95 % interval over patients")
    for name, (value, low, high) in figures.items():
        print(f"{name:24} {value:.3f} ({low:.3f} to {high:.3f})")
    print_result_line(__file__, arguments.quick, {n: v[0] for n, v in figures.items()})


if __name__ == "__main__":
    main()
