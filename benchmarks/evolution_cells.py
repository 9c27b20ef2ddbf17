"""Forecasts in a world that shares no equation with the models: single cells (simulated).

    python benchmarks/evolution_cells.py [--quick] [--seeds 0 1 2] [--train 24] [--test 12]

Simulated patients only, of ``flame.simulation.cells``: the parameters were set before any model was
run on it, and so were those of radionecrosis, which came later. Every course has 30 fractions of
2 Gy(RBE), so that radiations are compared and not prescriptions. Each seed has training and test
patients of its own; intervals are over patients and seeds of training. Volume models and
``surface`` get masks, days and courses; the mechanistic model and the hybrid also get the dose and
the tissue, and are calibrated on a third of their patients.
Prints the scores, the differences from persistence, how often the sign of the effect of another
radiation is right, over all test patients and over those where the rule "carbon is smaller, protons
are equal" errs, and what the follow-ups so far add to a forecast of the last day.
"""

import argparse
from dataclasses import replace
from functools import cache
from itertools import product

import numpy as np
import pandas as pd
from result_line import add_quick, print_result_line

from flame.core.treatment import Phase, Radiation, Treatment
from flame.evaluation.images.ceilings import CEILINGS
from flame.evaluation.images.forecast_scores import evaluate, gap, swaps
from flame.models.evolution import (
    growth_curves,
    learned,
    volume_baselines,  # noqa: F401  (they register themselves)
)
from flame.models.evolution.calibrated import Calibrated, summed
from flame.models.evolution.config import BASELINES, EvolutionConfig
from flame.models.evolution.few_patients import LeaveOneOut
from flame.models.evolution.model import EVOLUTION_MODELS, EvolutionCase, EvolutionModel
from flame.pipelines.parallel import in_parallel
from flame.simulation.cell_patients import CellPatient, cell_patient
from flame.simulation.cells import FRACTIONS, GY, SPACING

QUICK, SLOW = (*BASELINES, "surface"), ("mechanistic", "hybrid")
MODELS = (*QUICK, *SLOW)
FOLLOWED = ("persistence", "log-linear", "surface")
"""Models whose forecasts from later days are compared: those of masks and days."""
SHOWN = ("changed dice", "dice", "crps", "covered 90")
LEAST = 0.1
"""Smallest relative effect of a radiation that has a sign."""


def case(patient: CellPatient, radiation: Radiation) -> EvolutionCase:
    """Return a patient as a model gets it, under a radiation."""
    is_ion = radiation is not Radiation.PHOTON
    phase = Phase(radiation, FRACTIONS * GY, FRACTIONS, biological=is_ion)
    earlier, baseline = patient.before
    known = earlier.any() and earlier.sum() < 1.5 * baseline.sum()  # else: surgery in between
    later = zip(patient.days[2:], patient.later[radiation], strict=True)
    return EvolutionCase(
        patient.name,
        "cells",
        SPACING,
        patient.days[1],
        baseline,
        np.zeros((*baseline.shape, 2), np.float32),
        patient.white.astype(np.float32),
        patient.grey.astype(np.float32),
        patient.dose[radiation].astype(np.float32),
        Treatment((phase,)),
        ((patient.days[0], earlier),) if known else (),
        tuple(later),
        float(patient.methylated),
    )


@cache
def cohorts(seed: int, train: int, test: int) -> tuple[list[CellPatient], list[CellPatient]]:
    """Simulate training and test patients of a seed, once in a process."""
    known = [cell_patient(seed, n, every=False) for n in range(train)]
    new = [cell_patient(1000 + seed, n, every=True) for n in range(test)]
    return known, new


Rows = tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]


def trained(
    names: tuple[str, ...], cases: list[EvolutionCase], steps: int
) -> dict[str, EvolutionModel]:
    """Train models; the mechanistic one is the part of the hybrid, which takes long to learn."""
    models: dict[str, EvolutionModel] = {}
    for name in set(names) & set(QUICK):
        # The band of surface needs no calibration.
        own = name == "surface"
        models[name] = growth_curves.Surface() if own else LeaveOneOut(EVOLUTION_MODELS[name])
        models[name].fit(cases)
    if set(names) & set(SLOW):
        hybrid = Calibrated(learned.Hybrid(steps))
        hybrid.fit(cases)
        mechanistic = Calibrated(hybrid.model.mechanistic)
        mechanistic.calibration = summed(mechanistic.model, hybrid.split(cases)[1]).calibration()
        models |= {"mechanistic": mechanistic, "hybrid": hybrid}
    return models


def one(seed: int, names: tuple[str, ...], train: int, test: int, steps: int) -> Rows:
    """Train models on the patients of a seed; return scores, swaps and scores by start."""
    known, new = cohorts(seed, train, test)
    tested = [case(p, p.given) for p in new]
    parts = [
        (evaluate(CEILINGS[name], name, tested, seed), pd.DataFrame(), pd.DataFrame())
        for name in set(names) & set(CEILINGS)
    ]
    models = trained(names, [case(p, p.given) for p in known], steps)
    parts += [tested_on(new, tested, name, model, seed) for name, model in models.items()]
    scores, effects, starts = (pd.concat(tables) for tables in zip(*parts, strict=True))
    return scores, effects, starts


def tested_on(
    new: list[CellPatient], tested: list[EvolutionCase], name: str, model: EvolutionModel, seed: int
) -> Rows:
    """Return scores, swaps and scores by start of a model."""
    rows = evaluate(model, name, tested, seed)
    found = []
    for p in new:
        under = {r: case(p, r) for r in Radiation}
        for s in swaps(model, under, p.days[-1]):
            found.append({"model": name, "seed": seed, "patient": p.name, **vars(s)})
    starts = pd.DataFrame()
    if name in FOLLOWED:
        lasting = [c for c in tested if all(m.any() for _, m in c.later[:2])]
        starts = pd.concat(
            evaluate(model, name, [started(c, n) for c in lasting], seed).assign(start=n)
            for n in range(3)
        )
    return rows, pd.DataFrame(found), starts


def started(case: EvolutionCase, number: int) -> EvolutionCase:
    """Return a patient from a follow-up on, 0 being the baseline, and the last day alone later."""
    *before, last = case.later
    if number == 0:
        return replace(case, later=(last,))
    *history, (day, mask) = before[:number]
    return replace(case, day=day, tumour=mask, history=tuple(history), later=(last,))


def signs(table: pd.DataFrame) -> tuple[float, int]:
    """Return the share of effects whose sign is right, and their number."""
    counted = table[table.true.abs() > LEAST]
    if counted.empty:
        return float("nan"), 0
    return float((np.sign(counted.true) == np.sign(counted.predicted)).mean()), len(counted)


def rule(table: pd.DataFrame) -> pd.DataFrame:
    """Return the effects that the rule tells: carbon is smaller, protons are equal."""
    told = np.where(table.radiation == Radiation.CARBON, -0.5, 0.0)
    return table.assign(predicted=told, model="rule")


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    add_quick(parser, "one seed of 9 training and 3 test patients, and 2 steps of the network")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--train", type=int, default=24)
    parser.add_argument("--test", type=int, default=12)
    given = parser.parse_args()
    seeds, train, test = given.seeds, given.train, given.test
    if given.quick:
        seeds, train, test = [0], 9, 3
    kinds = (SLOW, (*QUICK, *CEILINGS))
    steps = 2 if given.quick else EvolutionConfig.steps
    work = [(seed, names, train, test, steps) for names, seed in product(kinds, seeds)]
    scores, effects, by_start = zip(*in_parallel(one, work, 2), strict=True)
    rows, swapped, starts = (pd.concat(parts) for parts in (scores, effects, by_start))
    figures: dict[str, dict[str, float]] = {}
    print(f"{len(seeds)} seeds of {train} training and {test} test patients, simulated\n")
    print("| model |", " | ".join(SHOWN), "| Dice - persistence | CRPS - persistence |")
    print("|---|" + "---|" * (len(SHOWN) + 2))
    for name in (*MODELS, *CEILINGS):
        part = rows[rows.model == name]
        means = {m: float(part.groupby("patient")[m].mean().mean()) for m in SHOWN}
        figures[name] = dict(means)
        cells = [f"{v:.3g}" for v in means.values()]
        for metric in ("dice", "crps"):
            g = gap(rows, name, "persistence", metric)
            cells.append(
                "" if name == "persistence" else f"{g.value:+.3f} ({g.low:+.3f} to {g.high:+.3f})"
            )
        print(f"| {name} |", " | ".join(cells), "|")
    first = swapped[swapped.model == MODELS[0]]
    told = rule(first)
    wrong = told[(told.true.abs() > LEAST) & (np.sign(told.true) != np.sign(told.predicted))]
    keys = set(zip(wrong.seed, wrong.patient, wrong.radiation, strict=True))
    print("\n| model | signs right | of | where the rule errs | of | covered by 90 % |")
    print("|---|---|---|---|---|---|")
    for name in (*MODELS, "rule"):
        table = told if name == "rule" else swapped[swapped.model == name]
        hard = [k in keys for k in zip(table.seed, table.patient, table.radiation, strict=True)]
        (share, count), (rare, few) = signs(table), signs(table[hard])
        covered = "" if name == "rule" else f"{table.covered.mean():.2f}"
        print(f"| {name} | {share:.2f} | {count} | {rare:.2f} | {few} | {covered} |")
        figures.setdefault(name, {}).update({"signs": share, "signs where the rule errs": rare})
    columns = ("from the baseline, ml", "from the first follow-up", "from the second")
    print("\n| CRPS of the last day |", " | ".join(columns), "|")
    print("|---|---|---|---|")
    for name in FOLLOWED:
        means = starts[starts.model == name].groupby("start").crps.mean()
        print(f"| {name} | " + " | ".join(f"{v:.2f}" for v in means) + " |")
        figures[name] |= {f"CRPS of the last day from start {n}": v for n, v in means.items()}
    print_result_line(__file__, given.quick, figures)


if __name__ == "__main__":
    main()
