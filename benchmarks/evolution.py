"""Tumour evolution: every model trained in one simulated world and tested in another.

    python benchmarks/evolution.py [--quick] [--seeds 5] [--train 36] [--test 30] [--out FOLDER]

Simulated patients only. Three centres train, in the crossed design (every centre gives every
radiation), the confounded one (each its own) and a null world in which radiations differ in name
only. The test world has other thresholds, mass effect, anisotropy, readers, scanners and RBE
models. Every model is calibrated on a quarter of its training patients, from which it learns
nothing else. Prints each model's figures by horizon and trend, differences to persistence with
paired bootstrap intervals over patients, and the table of swapped radiations.
"""

import argparse
import json
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from flame.evaluation.evolution import (
    UNITS,
    Swap,
    by_patient,
    evaluate,
    false_effects,
    gap,
    sign_accuracy,
    swaps,
)
from flame.models import evolution_unet, volume_baselines  # noqa: F401  (registers them)
from flame.models.calibrated import Calibrated
from flame.models.evolution import EVOLUTION_MODELS
from flame.pipelines.parallel import in_parallel
from flame.simulation.evolution import (
    CONFOUNDED,
    CROSSED,
    FOLLOW_UPS,
    SimulatedEvolution,
    simulate_evolution,
)
from flame.simulation.world import WORLDS

CENTRES = 3
DESIGNS = ("crossed", "confounded", "null crossed", "null confounded")


def cohort(world: str, design: str, patients: int, seed: int) -> list[SimulatedEvolution]:
    """``patients`` spread over the centres; the null designs have no effect of radiation."""
    chosen = replace(WORLDS[world], null=design.startswith("null"))
    kind = CONFOUNDED if design.endswith(CONFOUNDED) else CROSSED
    work = [(chosen, kind, n % CENTRES, n // CENTRES, seed) for n in range(patients)]
    return list(in_parallel(simulate_evolution, work, jobs=2))


def swaps_of(model, tested: list[SimulatedEvolution]) -> list:  # type: ignore[no-untyped-def]
    """Photons against each ion on the last day, for every patient."""
    return [s for t in tested for s in swaps(model, t.under, FOLLOW_UPS[-1])]


def one_seed(
    seed: int, train: int, test: int, names: list[str], designs: list[str]
) -> tuple[pd.DataFrame, list[dict]]:
    """Scores of every model in the crossed design, and its swaps in every design."""
    scores, swapped = [], []
    tested = {
        null: cohort("b", "null crossed" if null else "crossed", test, 1000 + seed)
        for null in {d.startswith("null") for d in designs}
    }
    for design in designs:
        cases = [s.case for s in cohort("a", design, train, seed)]
        null = design.startswith("null")
        for name in names:
            start = time.process_time()
            model = Calibrated(EVOLUTION_MODELS[name]())
            model.fit(cases)
            seconds = time.process_time() - start
            if design == "crossed":
                rows = evaluate(model, name, [t.case for t in tested[False]], seed)
                scores.append(rows.assign(fit_cpu_s=seconds))
            found = swaps_of(model, tested[null])
            swapped += [
                {"model": name, "design": design, "seed": seed, "true": s.true,
                 "predicted": s.predicted} for s in found
            ]  # fmt: skip
            print(f"seed {seed}  {design:15} {name:14} {seconds:6.0f} CPU-s", flush=True)
    return pd.concat(scores), swapped


def table(rows: pd.DataFrame, title: str) -> None:
    """Mean over patients of every metric, a model a line."""
    print(f"\n{title}: {rows.groupby(['seed', 'patient']).ngroups} patients")
    shown = {
        name: {m: by_patient(part, m).mean() for m in UNITS}
        for name, part in rows.groupby("model", sort=False)
    }
    print(pd.DataFrame(shown).T.round(3).to_string())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--train", type=int, default=36)
    parser.add_argument("--test", type=int, default=30)
    parser.add_argument("--quick", action="store_true", help="one seed, few patients")
    parser.add_argument("--out", type=Path, help="folder for the rows behind the tables")
    parser.add_argument("--designs", nargs="*", default=list(DESIGNS), choices=DESIGNS)
    parser.add_argument("--models", nargs="*", default=list(EVOLUTION_MODELS))
    arguments = parser.parse_args()
    seeds = 1 if arguments.quick else arguments.seeds
    train, test = (12, 4) if arguments.quick else (arguments.train, arguments.test)
    found = [
        one_seed(seed, train, test, arguments.models, arguments.designs) for seed in range(seeds)
    ]
    rows = pd.concat([f[0] for f in found])
    swapped = pd.DataFrame([s for f in found for s in f[1]])
    if arguments.out:
        arguments.out.mkdir(parents=True, exist_ok=True)
        rows.to_csv(arguments.out / "scores.csv", index=False)
        swapped.to_csv(arguments.out / "swaps.csv", index=False)
    print("\nSimulated patients: trained in world a, tested in world b")
    table(rows, "All days")
    for column in ("horizon", "trend"):
        for value, part in rows.groupby(column):
            table(part, str(value))
    figures = []
    print("\nDifference to persistence, mean over patients with 95 % interval")
    for name in rows.model.unique():
        for metric in ("dice", "changed dice", "crps"):
            g = gap(rows, name, "persistence", metric)
            print(f"{name:14} {metric:13} {g.value:+.3f} ({g.low:+.3f} to {g.high:+.3f})")
            figures.append({"model": name, "metric": metric, **vars(g)})
    print("\nOther radiation against photons on the last day")
    for (design, name), part in swapped.groupby(["design", "model"], sort=False):
        pairs = [Swap(*row) for row in part[["true", "predicted"]].to_numpy()]
        share, n = sign_accuracy(pairs)
        error = float(np.abs(part.true - part.predicted).mean())
        wrong = false_effects(pairs)
        text = f"false effects {wrong:.3f}" if design.startswith("null") else (
            f"sign accuracy {share:.3f} of {n}  mean error {error:.3f}")  # fmt: skip
        print(f"{design:15} {name:14} {text}")
        figures.append({"design": design, "model": name, "sign_accuracy": share, "n": n,
                        "false_effects": wrong, "error": error})  # fmt: skip
    print(json.dumps({"unit": "mean over patients", "seeds": seeds, "figures": figures}))


if __name__ == "__main__":
    main()
