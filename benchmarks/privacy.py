"""What differential privacy costs: AUC at hospitals never seen against epsilon, and the attack.

    python benchmarks/privacy.py TABLE [--quick]

TABLE is gbm_four_centres.csv (real patients of UCSF, UPENN and TCGA). Alive at 365 days from five
clinical features by logistic regression, plain gradient steps, clipped at 1, with noise for each
patient; nothing is tuned. Prints a table over noise and, as its last line, one JSON object.
"""

import argparse
import json
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from flame.evaluation.membership import attacks
from flame.evaluation.predictions import Predictor
from flame.federation.centre_privacy import CentrePrivacy, cost
from flame.federation.config import DataConfig, PrivacyConfig, TrainConfig, TrainingConfig
from flame.federation.coordinator import Coordinator
from flame.federation.data import load_cohort
from flame.federation.in_process import in_process_call
from flame.federation.plan import FEDERATED, Federation, joint_trainings, without
from flame.federation.privacy_budget import Budget, epsilon
from flame.federation.site import Site
from flame.federation.task import open_task
from flame.models.discrimination import auc_of, score_counts
from flame.models.inputs import ResponseModelConfig

CENTRES = ("UCSF", "UPENN", "TCGA")
BOUNDS = {"age": (18.0, 90.0), "sex": (0.0, 1.0), "mgmt_status": (0.0, 1.0),
          "idh_status": (0.0, 1.0), "resection_status": (0.0, 1.0)}  # fmt: skip
NOISES = (0.0, 2.0, 4.0, 8.0)


def settings(table: str, seed: int, noise: float) -> TrainConfig:
    data = DataConfig(
        table=table, centres=CENTRES, id_column="subject", horizon_days=365.0,
        survival=("survival_days", "survival_status"), impute={"resection_status": 0.5},
    )  # fmt: skip
    training = TrainingConfig(rounds=20, optimizer="sgd", learning_rate=0.5, folds=2, seeds=(seed,))
    privacy = PrivacyConfig(level="patient", noise=noise, bounds=BOUNDS) if noise else (
        PrivacyConfig())  # fmt: skip
    return TrainConfig(
        data, ResponseModelConfig(clinical=tuple(BOUNDS), l2=0.0), training, privacy=privacy
    )


def measured(config: TrainConfig, run: Path) -> list[dict[str, Any]]:
    task: Any = open_task(config)
    inputs = [task.patients(load_cohort(config, name)) for name in CENTRES]
    sites = {}
    for each in inputs:
        secret = np.random.default_rng(config.training.seeds[0]).bytes(32)
        guard = CentrePrivacy(config, Budget(None, np.inf, config.privacy.delta), secret)
        protection = guard if config.privacy.is_private else None
        sites[each.centre] = Site(task, [each], privacy=protection)
    seed = config.training.seeds[0]
    plan = joint_trainings(FEDERATED, CENTRES, (seed,), config.training.folds)
    Coordinator(config, task, run, plan).run(in_process_call(sites), lambda f: f.centres)
    predictor, rows = Predictor(config, run, inputs), []
    for each in inputs:
        known = each.take(each.labelled)
        others = tuple(c for c in CENTRES if c != each.centre)
        unseen = Federation(without(FEDERATED, each.centre), others, seed, config.training.folds)
        told = predictor.of(unseen, known)
        auc, *_ = auc_of([score_counts(told, known.response.astype(float))])
        found = pd.DataFrame(attacks(predictor, FEDERATED, each))
        spent = [cost(config, len(known.pseudonyms))] * config.training.rounds
        rows.append({
            "centre": each.centre, "auc": auc,
            "attack": float(np.average(found.value, weights=found.weight)),
            "epsilon": epsilon(spent, config.privacy.delta) if config.privacy.is_private
            else np.inf,
        })  # fmt: skip
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("table")
    parser.add_argument("--quick", action="store_true", help="one seed, three noises, 5 rounds")
    arguments = parser.parse_args()
    seeds, noises = (range(1), NOISES[:4:2]) if arguments.quick else (range(3), NOISES)
    rows = []
    for noise in noises:
        for seed in seeds:
            config = settings(arguments.table, seed, noise)
            if arguments.quick:
                config = replace(config, training=replace(config.training, rounds=5))
            with tempfile.TemporaryDirectory() as scratch:
                found = measured(config, Path(scratch))
            rows += [{"noise": noise, "seed": seed, **row} for row in found]
    table = pd.DataFrame(rows)
    means = table.groupby(["noise", "centre"]).mean().drop(columns="seed").unstack("centre")
    print("Real patients; AUC at the hospital left out, AUC of the attack, epsilon at 1e-5.")
    print(f"Means over {len(seeds)} seeds; noise 0: without privacy.")
    print(means.round(3).to_string())
    spread = table.groupby(["noise", "centre"]).auc.agg(["min", "max"]).unstack("centre")
    print("\nLowest and highest AUC over seeds")
    print(spread.round(3).to_string())
    print(json.dumps({
        "name": "privacy", "unit": "AUC at unseen hospitals", "seeds": list(seeds),
        "value": {str(n): float(p.auc.mean()) for n, p in table.groupby("noise")},
        "epsilon": {str(n): float(p.epsilon.max()) for n, p in table.groupby("noise") if n},
        "attack": {str(n): float(p.attack.mean()) for n, p in table.groupby("noise")},
        "baseline": "noise 0",
    }))  # fmt: skip


if __name__ == "__main__":
    main()
