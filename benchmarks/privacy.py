"""Cost of differential privacy: AUC at held-out hospitals against epsilon, and an attack.

    python benchmarks/privacy.py TABLE [--quick]

TABLE is gbm_four_centres.csv (real patients of UCSF, UPENN and TCGA). A logistic regression on five
clinical features predicts being alive at 365 days. It takes plain gradient steps, clipped at 1,
with noise for each patient; nothing is tuned. The attack infers membership in training. Prints a
table over noise and, as its last line, one JSON object.
"""

import argparse
import json
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from result_line import add_quick, print_result_line
from unseen import FEATURES, auc_unseen, settings, trained

from flame.evaluation.outcomes.membership import attacks
from flame.federation.config import TrainConfig
from flame.federation.privacy.budget import epsilon
from flame.federation.privacy.differential import cost
from flame.federation.sections import PrivacyConfig, TrainingConfig
from flame.federation.trainings import FEDERATED

BOUNDS = dict(zip(FEATURES, ((18.0, 90.0), *[(0.0, 1.0)] * 4), strict=True))
"""Range of each feature: age in years, the others coded 0 to 1."""
NOISES = (0.0, 2.0, 4.0, 8.0)
"""Noise multipliers; 0: no differential privacy."""


def protected(table: str, seed: int, noise: float) -> TrainConfig:
    """Return the run with this noise for each patient; 0: without privacy."""
    training = TrainingConfig(rounds=20, optimizer="sgd", learning_rate=0.5, folds=2, seeds=(seed,))
    if not noise:
        return settings(table, training)
    privacy = PrivacyConfig(level="patient", noise=noise, bounds=BOUNDS)
    return settings(table, training, privacy=privacy)


def measured(config: TrainConfig, run: Path) -> list[dict[str, Any]]:
    """Return one row per hospital: AUC as held-out centre, AUC of the attack, and epsilon."""
    predictor, inputs = trained(config, run)
    rows = []
    for each in inputs:
        attacked = pd.DataFrame(attacks(predictor, FEDERATED, each))
        spent = [cost(config, len(each.labelled))] * config.training.rounds
        rows.append(
            {
                "centre": each.centre,
                "auc": auc_unseen(predictor, each),
                "attack": float(np.average(attacked.value, weights=attacked.weight)),
                "epsilon": epsilon(spent, config.privacy.delta)
                if config.privacy.is_private
                else np.inf,
            }
        )
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("table")
    add_quick(parser, "one seed, without noise and with one, 5 rounds")
    arguments = parser.parse_args()
    seeds = range(1 if arguments.quick else 3)
    noises = NOISES[:4:2] if arguments.quick else NOISES
    rows = []
    for noise in noises:
        for seed in seeds:
            config = protected(arguments.table, seed, noise)
            if arguments.quick:
                config = replace(config, training=replace(config.training, rounds=5))
            with tempfile.TemporaryDirectory() as scratch:
                by_hospital = measured(config, Path(scratch))
            rows += [{"noise": noise, "seed": seed, **row} for row in by_hospital]
    table = pd.DataFrame(rows)
    means = table.groupby(["noise", "centre"]).mean().drop(columns="seed").unstack("centre")
    print("Real patients; AUC at the hospital left out, AUC of the attack, epsilon at 1e-5.")
    print(f"Means over {len(seeds)} seeds; noise 0: without privacy.")
    print(means.round(3).to_string())
    spread = table.groupby(["noise", "centre"]).auc.agg(["min", "max"]).unstack("centre")
    print("\nLowest and highest AUC over seeds")
    print(spread.round(3).to_string())
    print(
        json.dumps(
            {
                "name": "privacy",
                "unit": "AUC at unseen hospitals",
                "seeds": list(seeds),
                "value": {str(n): float(p.auc.mean()) for n, p in table.groupby("noise")},
                "epsilon": {str(n): float(p.epsilon.max()) for n, p in table.groupby("noise") if n},
                "attack": {str(n): float(p.attack.mean()) for n, p in table.groupby("noise")},
                "baseline": "noise 0",
            }
        )
    )
    headline = {}
    for noise, part in table.groupby("noise"):
        headline[f"noise {noise:g}"] = {
            "AUC unseen": part.auc.mean(),
            "attack's AUC": part.attack.mean(),
            "epsilon": part.epsilon.max(),
        }
    print_result_line(__file__, arguments.quick, headline)


if __name__ == "__main__":
    main()
