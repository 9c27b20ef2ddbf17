"""Tumour evolution: every model trained in one simulated world and tested in another.

    python benchmarks/evolution.py [--quick] [--seeds 0 1 2 3 4] [--train 45] [--test 24]
    python benchmarks/evolution.py --out FOLDER    also keeps every row; a second run continues

Simulated patients only. Three centres train in world a, in three designs: crossed (every centre
gives every radiation), confounded (each centre gives its own), and null (radiations differ in name
only). The test world b has other thresholds, mass effect, anisotropy, readers, scanners and RBE
models. A third of the training patients of each centre calibrate. No model learns from them, so
that their scores (validation) select a model without world b. Prints the figures of each model by
horizon and trend, two ceilings that know the truth, differences with paired bootstrap intervals
over patients, and the table of swapped radiations. The plain U-Net is trained in the crossed
designs only.
"""

import argparse
import json
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import numpy as np
import pandas as pd
from result_line import add_quick, flat, print_result_line
from simulated_evolution import (
    CONFOUNDED,
    CROSSED,
    FOLLOW_UPS,
    SimulatedEvolution,
    Untreated,
    treated,
    untreated,
)

from flame.core.files import write_text
from flame.core.treatment import Radiation
from flame.evaluation.images.ceilings import CEILINGS
from flame.evaluation.images.forecast_scores import (
    UNITS,
    Swap,
    by_patient,
    evaluate,
    false_effects,
    gap,
    sign_accuracy,
    swaps,
)
from flame.models.evolution import (  # noqa: F401  (they register themselves)
    growth_curves,
    learned,
    volume_baselines,
)
from flame.models.evolution.calibrated import Calibrated, summed
from flame.models.evolution.config import BASELINES
from flame.models.evolution.model import EVOLUTION_MODELS, EvolutionCase
from flame.pipelines.parallel import in_parallel
from flame.simulation.world import WORLDS

CENTRES = 3
DESIGNS = ("crossed", "confounded", "null crossed", "null confounded")
LEARNED = ("mechanistic", "U-Net", "hybrid")
NETWORKS = ("U-Net", "hybrid")


class Size(NamedTuple):
    """Size of the benchmark.

    Args:
        train: patients of a training cohort.
        test: patients of a test cohort.
        steps: batches of a network; None: its default.
    """

    train: int
    test: int
    steps: int | None = None


@cache
def _patient(world: str, centre: int, number: int, seed: int) -> Untreated:
    return untreated(WORLDS[world], centre, number, seed)


def cohort(
    world: str, design: str, patients: int, seed: int, counterfactual: bool
) -> list[SimulatedEvolution]:
    """Simulate patients, spread over the centres; in null designs radiations do not differ."""
    chosen = replace(WORLDS[world], null=design.startswith("null"))
    kind = CONFOUNDED if design.endswith(CONFOUNDED) else CROSSED
    return [
        treated(_patient(world, n % CENTRES, n // CENTRES, seed), chosen, kind, counterfactual)
        for n in range(patients)
    ]


def trained(design: str) -> Iterator[str]:
    """Yield the models of a design; those blind to radiation are trained in crossed only."""
    for name in EVOLUTION_MODELS:
        learns = name in ("dilation", "mechanistic", "hybrid")
        if design == "crossed" or learns or (name == "U-Net" and design == "null crossed"):
            yield name


def models(design: str, cases: list[EvolutionCase], size: Size) -> Iterator[tuple[str, Calibrated]]:
    """Train the models of a design; the mechanistic one is the part of the hybrid."""
    names = set(trained(design))
    for name in sorted(names - {"mechanistic"}):
        steps = {"steps": size.steps} if name in NETWORKS and size.steps else {}
        model = Calibrated(EVOLUTION_MODELS[name](**steps))
        model.fit(cases)
        yield name, model
        if name == "hybrid":
            part = Calibrated(model.model.mechanistic)
            part.calibration = summed(part.model, model.split(cases)[1]).calibration()
            yield "mechanistic", part


def one_run(seed: int, design: str, size: Size) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the scores of every model, if the design is crossed, and its swaps."""
    scores = []
    swapped = []
    null = design.startswith("null")
    tested = cohort("b", "null crossed" if null else "crossed", size.test, 1000 + seed, True)
    known = [t.case for t in tested]
    cases = [s.case for s in cohort("a", design, size.train, seed, False)]
    for name, model in models(design, cases, size):
        if design == "crossed":
            scores.append(evaluate(model, name, known, seed).assign(world="b"))
            _, unseen = model.split(cases)
            scores.append(evaluate(model.model, name, unseen, seed).assign(world="a"))
        swapped += [
            {
                "model": name,
                "design": design,
                "seed": seed,
                "radiation": str(s.radiation),
                "true": s.true,
                "predicted": s.predicted,
                "covered": s.covered,
            }
            for t in tested
            for s in swaps(model, t.under, FOLLOW_UPS[-1])
        ]
    if design == "crossed":
        scores += [evaluate(CEILINGS[c], c, known, seed).assign(world="b") for c in CEILINGS]
    rows = pd.concat(scores) if scores else pd.DataFrame(columns=["seed", "patient"])
    # Each seed simulates other patients, under the same names.
    return rows.assign(patient=rows.patient + f" of seed {seed}"), pd.DataFrame(swapped)


def table(rows: pd.DataFrame, title: str) -> dict[str, float]:
    """Print the mean over patients of every metric, one line per model; return the means."""
    print(f"\n{title}: {rows.groupby(['seed', 'patient']).ngroups} patients")
    shown = {
        name: {m: by_patient(part, m).mean() for m in UNITS}
        for name, part in rows.groupby("model", sort=False)
    }
    print(pd.DataFrame(shown).T.round(3).to_string())
    return flat(shown)


def differences(rows: pd.DataFrame) -> list[dict]:
    """Compare learned models with persistence and the best baseline, and the hybrid with its parts.

    Differences are paired by patient. The best baseline is selected by the same figures, which
    favours it.
    """
    means = {b: by_patient(rows[rows.model == b], "changed dice").mean() for b in BASELINES}
    best = max(means, key=lambda b: means[b])
    figures = []
    pairs = list(product(LEARNED, dict.fromkeys(("persistence", best))))
    pairs += [("hybrid", "mechanistic"), ("hybrid", "U-Net")]
    for name, against in pairs:
        for metric in ("changed dice", "dice", "crps"):
            g = gap(rows, name, against, metric)
            print(
                f"{name:12} - {against:12} {metric:13} {g.value:+.3f} "
                f"({g.low:+.3f} to {g.high:+.3f})"
            )
            figures.append({"model": name, "against": against, "metric": metric, **vars(g)})
    return figures


def swap_table(swapped: pd.DataFrame) -> list[dict]:
    """Print and return sign accuracy where radiations differ, false effects where they do not."""
    figures = []
    for (design, name), part in swapped.groupby(["design", "model"], sort=False):
        pairs = [
            Swap(Radiation(s.radiation), s.true, s.predicted, s.covered) for s in part.itertuples()
        ]
        share, n = sign_accuracy(pairs)
        each = (
            (r, *sign_accuracy([s for s in pairs if s.radiation is r]))
            for r in (Radiation.PROTON, Radiation.CARBON)
        )
        error = float(np.abs(part.true - part.predicted).mean())
        wrong = false_effects(pairs)
        covered = float(part.covered.mean())
        text = (
            f"false effects {wrong:.3f} of {len(pairs)}"
            if design.startswith("null")
            else (
                f"sign accuracy {share:.3f} of {n}  mean error {error:.3f}  "
                + ", ".join(f"{r} {right:.3f} of {m}" for r, right, m in each)
            )
        )
        print(f"{design:15} {name:12} covered 90 {covered:.3f}  {text}")
        figures.append(
            {
                "design": design,
                "model": name,
                "sign_accuracy": share,
                "n": n,
                "false_effects": wrong,
                "error": error,
                "covered_90": covered,
            }
        )
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="*", default=[0, 1, 2, 3, 4])
    parser.add_argument("--train", type=int, default=45)
    parser.add_argument("--test", type=int, default=24)
    add_quick(parser, "one seed, five patients, two steps of a network, crossed only")
    parser.add_argument("--out", type=Path, help="folder for the rows behind the tables")
    parser.add_argument("--designs", nargs="*", default=list(DESIGNS), choices=DESIGNS)
    parser.add_argument("--jobs", type=int, default=2)
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.seeds = arguments.seeds[:1]
        arguments.designs = ["crossed"]
        arguments.jobs = 1
    size = Size(4, 1, 2) if arguments.quick else Size(arguments.train, arguments.test)
    if arguments.out:
        headline = show(*kept_rows(arguments, size, arguments.out))
    else:
        with TemporaryDirectory() as folder:
            headline = show(*kept_rows(arguments, size, Path(folder)))
    print_result_line(__file__, arguments.quick, headline)


def files(out: Path, seed: int, design: str, size: Size) -> list[Path]:
    """Return the files of the scores and the swaps of a run."""
    sizes = " ".join(str(n) for n in size if n is not None)
    return [out / f"{kind} {seed} {design} {sizes}.csv" for kind in ("scores", "swaps")]


def one_seed(seed: int, designs: list[str], size: Size, out: Path) -> None:
    """Run the designs without files yet; they share their patients before radiotherapy."""
    for design in designs:
        paths = files(out, seed, design, size)
        if not paths[-1].exists():
            for path, rows in zip(paths, one_run(seed, design, size), strict=True):
                write_text(path, rows.to_csv(index=False))
    _patient.cache_clear()


def kept_rows(
    arguments: argparse.Namespace, size: Size, out: Path
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return scores and swaps of all runs; each is written to ``out`` once it is done."""
    out.mkdir(parents=True, exist_ok=True)
    designs = arguments.designs
    work = [(seed, designs, size, out) for seed in arguments.seeds]
    for seed, _ in zip(arguments.seeds, in_parallel(one_seed, work, arguments.jobs), strict=True):
        print(f"done: seed {seed}", flush=True)
    paths = [files(out, seed, d, size) for seed, d in product(arguments.seeds, designs)]
    scores, swapped = zip(*paths, strict=True)
    return pd.concat(map(pd.read_csv, scores)), pd.concat(map(pd.read_csv, swapped))


def show(rows: pd.DataFrame, swapped: pd.DataFrame) -> dict[str, float]:
    """Print the tables and the figures; return the headline figures."""
    print("\nSimulated patients: trained in world a, tested in world b")
    figures = []
    headline = {}
    if len(rows):
        table(rows[rows.world == "a"], "Validation in world a, before calibration")
        rows = rows[rows.world == "b"]
        headline = table(rows, "All days")
        for column in ("horizon", "trend"):
            for value, part in rows.groupby(column):
                table(part, str(value))
        print("\nDifferences, mean over patients with 95 % interval")
        figures += differences(rows)
    print("\nOther radiation against photons on the last day")
    radiations = swap_table(swapped)
    figures += radiations
    for row in radiations:
        which = f"{row['design']}, {row['model']}"
        headline |= {
            f"{which}, {k}": row[k] for k in ("sign_accuracy", "false_effects", "covered_90")
        }
    seeds = sorted(int(s) for s in swapped.seed.unique())
    print(json.dumps({"unit": "mean over patients", "seeds": seeds, "figures": figures}))
    return headline


if __name__ == "__main__":
    main()
