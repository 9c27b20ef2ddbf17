"""Generalisation of radiomics to an unseen hospital with and without ComBat, on real patients.

    python benchmarks/combat_table.py PATH/gbm_four_centres.csv [--quick]

Three hospitals. Logistic regressions (C = 0.1) predict being alive at 365 days. They train at two
hospitals and are tested at the third, before and after ComBat of volumes and radiomics, which keeps
the effects of age and sex. ComBat uses the features of the tested hospital, never its outcomes. AUC
with 95 % intervals (Newcombe's method 5).
"""

import argparse
import json
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
from result_line import add_quick, print_result_line
from sklearn.linear_model import LogisticRegression

from flame.evaluation.metrics.estimates import auc_estimate
from flame.pipelines.harmonise import harmonise_table

CLINICAL = ["age", "sex", "mgmt_status", "idh_status", "resection_status"]
VOLUMES = [
    "nr_volume",
    "er_volume",
    "et_volume",
    "tumor_volume",
    "convex_hull_volume",
    "etiv",
    "tumor_burden",
]


def scores(table: pd.DataFrame, columns: list[str]) -> dict[str, tuple[float, float, float]]:
    """Return the AUC and its interval at each centre, trained at the others."""
    table = table.assign(resection_status=table.resection_status.fillna(0.5))
    died = table.survival_status.fillna(1) == 1
    label = np.where(table.survival_days > 365, 1.0, np.where(died, 0.0, np.nan))
    estimates = {}
    for centre in table.centre.unique():
        train = (table.centre != centre) & np.isfinite(label)
        test = (table.centre == centre) & np.isfinite(label)
        x = table[columns].astype(float)
        x = ((x - x[train].mean()) / x[train].std(ddof=0)).fillna(0)
        model = LogisticRegression(C=0.1, max_iter=1000).fit(x[train], label[train])
        probability = model.predict_proba(x[test])[None, :, 1]
        score = auc_estimate(label[test], probability, np.zeros(probability.shape, int))
        estimates[centre] = (score.value, score.low, score.high)
    return estimates


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("table", type=Path)
    add_quick(parser, "clinical features with and without volumes, no radiomics")
    arguments = parser.parse_args()
    before = pd.read_csv(arguments.table)
    radiomics = [c for c in before.columns if c.startswith("original_")]
    with tempfile.TemporaryDirectory() as scratch:
        out = Path(scratch) / "harmonised.csv"
        harmonise_table(arguments.table, out, "centre", VOLUMES + radiomics, ["age", "sex"])
        after = pd.read_csv(out)
    sets = {
        "clinical": CLINICAL,
        "clinical and volumes": CLINICAL + VOLUMES,
        "clinical, volumes, radiomics": CLINICAL + VOLUMES + radiomics,
        "volumes and radiomics": VOLUMES + radiomics,
    }
    if arguments.quick:
        sets = {name: columns for name, columns in sets.items() if "radiomics" not in name}
    figures = {}
    for name, columns in sets.items():
        for kind, table in (("as measured", before), ("ComBat", after)):
            figures[f"{name}, {kind}"] = scores(table, columns)
    for name, row in figures.items():
        cells = [f"{c} {v:.3f} ({low:.3f}-{high:.3f})" for c, (v, low, high) in row.items()]
        print(f"{name:42}", "  ".join(cells))
    print(json.dumps({"unit": "AUC, low, high", "seeds": 1, "figures": figures}))
    headline = {name: {c: value for c, (value, *_) in row.items()} for name, row in figures.items()}
    print_result_line(__file__, arguments.quick, headline)


if __name__ == "__main__":
    main()
