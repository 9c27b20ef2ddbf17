"""Cost of each protection: AUC at held-out hospitals, an attack, bytes and seconds of a training.

    python benchmarks/privacy.py TABLE [--quick]

TABLE is gbm_four_centres.csv (real patients of UCSF, UPENN and TCGA). A logistic regression on five
clinical features predicts being alive at 365 days. Rounds, learning rate, clip and penalty of the
private trainings were chosen on made-up patients whose effects are those of the literature
(``--tune`` does it again), never on the table. Epsilon is that of one training, for replacing one
patient (level patient) or all patients of a hospital (level centre) at delta 1e-5. The attack
infers membership from the loss. Prints a table and, as its last line, one JSON object.
"""

import argparse
import json
import tempfile
import time
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from lifelines.utils import concordance_index
from result_line import add_quick, print_result_line
from scipy.optimize import brentq
from unseen import CENTRES, FEATURES, auc_unseen, settings, trained, without

from flame.evaluation.outcomes.membership import attacks
from flame.federation.calls import Call, Replies
from flame.federation.config import TrainConfig
from flame.federation.coordinator import Coordinator
from flame.federation.in_process import in_process_call
from flame.federation.privacy.audit_log import size_of
from flame.federation.privacy.budget import Spent, epsilon
from flame.federation.sections import PrivacyConfig, TrainingConfig
from flame.federation.site import Site
from flame.federation.tasks.cohorts import load_cohort
from flame.federation.tasks.registry import open_task
from flame.federation.trainings import FEDERATED, Training
from flame.models.regression.discrimination import auc_of, score_counts
from flame.models.response.gaussian_mechanism import clipped

BOUNDS = dict(zip(FEATURES, ((31.0, 87.0), (1.0, 2.0), *[(0.0, 1.0)] * 3), strict=True))
"""Public range of each feature: age in years (mean and two deviations of published cohorts), sex
coded 1 or 2, the others coded 0 to 1."""
DELTA = 1e-5
EPSILONS = (2.0, 8.0)
ROUNDS, RATE, CLIP, PENALTY = 40, 0.5, 2.0, 0.02
"""Chosen on made-up patients at epsilon 8."""


def noise_for(limit: float, steps: int) -> float:
    """Return the noise multiplier, relative to the clip, whose epsilon is ``limit``."""
    found = brentq(lambda z: epsilon([Spent(z, steps)], DELTA) - limit, 0.3, 100.0)
    return 2 * float(found)


def protections(table: str, seed: int, quick: bool) -> dict[str, TrainConfig]:
    """Return the configuration of each protection."""
    rounds = 5 if quick else ROUNDS
    training = TrainingConfig(
        rounds=rounds, optimizer="sgd", learning_rate=RATE, folds=2, seeds=(seed,)
    )
    plain = settings(table, training)
    plain = replace(plain, model=replace(plain.model, l2=PENALTY))
    bounded = PrivacyConfig(bounds=BOUNDS)
    found = {"none": plain}
    secure = replace(plain.federation, secure=True)
    found["secure"] = replace(plain, federation=secure, privacy=bounded)
    for level, limit in product(("patient", "centre"), EPSILONS):
        privacy = PrivacyConfig(
            level=level,  # type: ignore[arg-type]
            clip=CLIP if level == "patient" else 1.0,
            noise=noise_for(limit, rounds),
            bounds=BOUNDS,
        )
        found[f"{level}, epsilon {limit:g}"] = replace(plain, privacy=privacy)
    return dict(list(found.items())[:4:3]) if quick else found


def measured(config: TrainConfig, run: Path) -> list[dict[str, Any]]:
    """Return one row per hospital: AUC as held-out centre, and AUC of the attack."""
    predictor, inputs = trained(config, run)
    rows = []
    for each in inputs:
        attacked = pd.DataFrame(attacks(predictor, FEDERATED, each))
        attack = float(np.average(attacked.value, weights=attacked.weight))
        rows.append({"centre": each.centre, "auc": auc_unseen(predictor, each), "attack": attack})
    return rows


def traffic(config: TrainConfig, run: Path) -> dict[str, float]:
    """Return kB and seconds of one training over all hospitals, as one process carries it out."""
    task = open_task(config)
    sites = {c: Site(task, [task.patients(load_cohort(config, c))]) for c in CENTRES}
    inner = in_process_call(sites)
    sent = 0

    def counting(method: str, names: tuple[str, ...], *each: Any, **arguments: Any) -> Replies:
        nonlocal sent
        replies = inner(method, names, *each, **arguments)
        sent += size_of([arguments, list(each), replies.got])
        return replies

    call: Call = counting
    start = time.perf_counter()
    plan = [Training(FEDERATED, CENTRES, config.training.seeds[0], 2)]
    Coordinator(config, task, run, plan).run(call, lambda f: f.centres)
    return {"kB": sent / 1000, "seconds": time.perf_counter() - start}


def survival_costs(table: str) -> dict[str, dict[str, float]]:
    """Return the C-index of a Cox model at each hospital left out, without and with protection.

    Masks and differential privacy are refused for it: its sums are exact, and leave in clear.
    """
    config = settings(table, TrainingConfig(folds=2, seeds=(0,)))
    config = replace(config, task="survival", data=replace(config.data, horizon_days=None))
    config = replace(config, regression=replace(config.regression, penalizer=0.01))
    protected = {
        "none, one baseline hazard": replace(
            config, regression=replace(config.regression, stratified=False)
        ),
        "none, a baseline hazard by hospital": config,
        "least_patients = 5": replace(config, privacy=PrivacyConfig(least_patients=5)),
    }
    return {name: _c_indices(each) for name, each in protected.items()}


def _c_indices(config: TrainConfig) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as scratch:
        predictor, patients = trained(config, Path(scratch) / "run")
        found = {}
        for each in patients:
            known = each.take(each.labelled)
            predicted = predictor.of(without(predictor.config.training, each.centre), known)
            score = concordance_index(known.survival_days, predicted, known.died)
            found[each.centre] = float(score)
    return found


def made_up(rng: np.random.Generator, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Return features, scaled as by ``BOUNDS``, and outcomes of patients with published effects."""
    age = rng.normal(61, 11, count)
    codes = rng.random((count, 4)) < [0.6, 0.42, 0.06, 0.6]  # sex, MGMT, IDH, resection
    logit = -0.55 - 0.55 * (age - 61) / 11 + codes @ [0.0, 0.65, 1.0, 0.5]
    scaled = np.column_stack([(age - 59) / 14, 4 * (codes - 0.5), np.ones(count)])
    return scaled, (rng.random(count) < 1 / (1 + np.exp(-logit))).astype(float)


def tune(limit: float = 8.0, repeats: int = 12) -> None:
    """Print the settings with the best AUC on made-up patients, by hospitals of 161 and 33."""
    test, outcome = made_up(np.random.default_rng(0), 20_000)
    rows = []
    for rounds, rate, clip in product((5, 10, 20, 40), (0.1, 0.2, 0.5, 1, 2), (0.5, 1, 2)):
        deviation = noise_for(limit, rounds) * clip
        aucs = []
        for repeat in range(repeats):
            rng = np.random.default_rng(100 + repeat)
            hospitals = [made_up(rng, n) for n in (161, 33)]
            weights = _private_fit(hospitals, rounds, rate, clip, deviation, rng)
            aucs.append(auc_of([score_counts(test @ weights, outcome)])[0])
        rows.append({"rounds": rounds, "rate": rate, "clip": clip, "auc": float(np.mean(aucs))})
    print(pd.DataFrame(rows).sort_values("auc", ascending=False).head(8).to_string(index=False))


def _private_fit(
    hospitals: list[tuple[np.ndarray, np.ndarray]],
    rounds: int,
    rate: float,
    clip: float,
    deviation: float,
    rng: np.random.Generator,
) -> np.ndarray:
    weights = np.zeros(6)
    for _ in range(rounds):
        step = np.zeros(6)
        for x, y in hospitals:
            errors = 1 / (1 + np.exp(-(x @ weights))) - y
            gradients = errors[:, None] * x + 2 * PENALTY * weights * [1, 1, 1, 1, 1, 0]
            total = sum((clipped([g], clip)[0] for g in gradients), np.zeros(6))
            step += total + rng.normal(0, deviation, 6)
        weights = weights - rate * step / sum(len(y) for _, y in hospitals)
    return weights


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("table")
    parser.add_argument("--tune", action="store_true", help="choose settings on made-up patients")
    add_quick(parser, "one seed, without protection and with one, 5 rounds")
    arguments = parser.parse_args()
    if arguments.tune:
        tune()
        return
    seeds = range(1 if arguments.quick else 3)
    rows = []
    for seed in seeds:
        for name, config in protections(arguments.table, seed, arguments.quick).items():
            with tempfile.TemporaryDirectory() as scratch:
                by_hospital = measured(config, Path(scratch) / "run")
                cost = (
                    traffic(config, Path(scratch) / "one") if not config.privacy.is_private else {}
                )
            rows += [{"protection": name, "seed": seed, **row, **cost} for row in by_hospital]
    table = pd.DataFrame(rows)
    order = list(dict.fromkeys(table.protection))
    print("Real patients; AUC at the hospital left out, mean over seeds (lowest to highest).")
    by = table.groupby(["protection", "centre"]).auc.agg(["mean", "min", "max"])
    text = by.apply(lambda r: f"{r['mean']:.3f} ({r['min']:.3f}-{r['max']:.3f})", axis=1)
    print(text.unstack("centre").loc[order].to_string())
    survival = {} if arguments.quick else survival_costs(arguments.table)
    print("C-index of a Cox model at the hospital left out; refused under masks or noise")
    print(pd.DataFrame(survival).T.round(3).to_string())
    means = table.drop(columns=["centre", "seed"]).groupby("protection").mean().loc[order]
    lost = means.auc["none"] - means.auc
    print(means.assign(lost=lost).round(3).to_string())
    headline = {
        name: {"AUC unseen": float(m.auc), "AUC lost": float(lost[name]), "attack": float(m.attack)}
        for name, m in means.iterrows()
    }
    print(json.dumps({"name": "privacy", "unit": "AUC at unseen hospitals", "value": headline}))
    print_result_line(__file__, arguments.quick, headline)


if __name__ == "__main__":
    main()
