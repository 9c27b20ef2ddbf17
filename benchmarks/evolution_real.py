"""Forecasts of real patients: Brain-Tumor-Progression, each patient left out in turn.

    python benchmarks/evolution_real.py DOWNLOAD [--out FOLDER]

DOWNLOAD is the folder that ``flame import brain-tumor-progression`` reads. Its patients are
imported (2 minutes; kept in --out), those that ``cases.csv`` says are usable are forecast from
their first image after chemoradiotherapy to the second, by models of the other patients. Bands come
from leaving out one training patient at a time. Nothing is chosen on the patient that is reported.
Two bounds know the truth: the last mask resized to the true volume, and the best parameters of the
mechanistic model. Intervals are over patients (bootstrap).
"""

import argparse
from pathlib import Path
from tempfile import mkdtemp

import numpy as np
import pandas as pd
from result_line import add_quick, print_result_line

from flame.evaluation.images.ceilings import CEILINGS
from flame.evaluation.images.forecast_scores import evaluate, gap
from flame.federation.tasks.evolution import case_of
from flame.models.evolution import (
    growth_curves,
    volume_baselines,  # noqa: F401  (they register themselves)
)
from flame.models.evolution.config import BASELINES
from flame.models.evolution.few_patients import LeaveOneOut
from flame.models.evolution.mechanistic import Course, Mechanistic, parameter_grid
from flame.models.evolution.model import EVOLUTION_MODELS, EvolutionCase
from flame.models.segmentation.case_table import dice
from flame.pipelines.import_dataset import ImportConfig, subject_of
from flame.pipelines.import_dataset import run as import_dataset
from flame.preprocessing.cohort.cohort import read_cohort
from flame.preprocessing.cohort.tumour_cube import around_tumour

NAME = "brain-tumor-progression"
SHOWN = {
    "dice": "Dice",
    "changed dice": "changed voxels",
    "crps": "CRPS, ml",
    "covered 90": "in the 90 % band",
    "hd95": "HD95, mm",
}
MODELS = (*BASELINES, "mechanistic", "surface")


def patients(download: Path, out: Path) -> list[EvolutionCase]:
    """Import the download, and return the cases of its usable patients."""
    import_dataset(ImportConfig(NAME, str(download), str(out), jobs=2))
    table = pd.read_csv(download / "cases.csv")
    usable = {subject_of(p) for p in table[table.usable == "yes"].patient_id}
    cohort = read_cohort(out / NAME, NAME, around_tumour)
    return [case_of(p, NAME) for p in cohort.patients if p.pseudonym in usable]


def best_parameters(case: EvolutionCase) -> pd.DataFrame:
    """Score the parameter set whose mask is most like the true one."""
    ((day, truth),) = case.later
    course = Course(case, {})
    best, score = parameter_grid()[0], -1.0
    for parameters in parameter_grid():
        (seen,) = course.seen(parameters, (day,))
        if (value := dice(seen > 0.5, truth)) > score:
            best, score = parameters, value
    (seen,) = course.seen(best, (day,))
    row = {"model": "best parameters (knows the truth)", "patient": case.pseudonym, "seed": 0}
    return pd.DataFrame([{**row, "dice": score}])


def scores(cases: list[EvolutionCase]) -> pd.DataFrame:
    """Forecast each patient by models of the others."""
    tables = []
    for case in cases:
        others = [other for other in cases if other is not case]
        for name in MODELS:
            model = LeaveOneOut(Mechanistic if name == "mechanistic" else EVOLUTION_MODELS[name])
            model.fit(others)
            tables.append(evaluate(model, name, [case], 0))
        own = growth_curves.Surface()
        own.fit(others)
        tables.append(evaluate(own, "surface, its own band", [case], 0))
        for name in CEILINGS:
            tables.append(evaluate(CEILINGS[name], f"{name} (knows the truth)", [case], 0))
        tables.append(best_parameters(case))
    return pd.concat(tables, ignore_index=True)


def interval(values: np.ndarray) -> tuple[float, float]:
    """Bootstrap the mean over patients."""
    rng = np.random.default_rng(0)
    means = rng.choice(values, (10_000, len(values))).mean(axis=1)
    low, high = np.quantile(means, [0.025, 0.975])
    return float(low), float(high)


def main() -> None:
    """Print the table of all models, the differences from persistence, and each patient."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("download", type=Path)
    add_quick(parser, "the first three patients")
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    cases = patients(given.download, given.out or Path(mkdtemp()))
    rows = scores(cases[:3] if given.quick else cases)
    figures: dict[str, dict[str, float]] = {}
    print(f"{len(cases)} real patients\n")
    print("| model |", " | ".join(SHOWN.values()), "| Dice - persistence | CRPS - persistence |")
    print("|---|" + "---|" * (len(SHOWN) + 2))
    for name, part in rows.groupby("model", sort=False):
        cells, figures[str(name)] = [], {}
        for metric in SHOWN:
            scored = part[metric].dropna() if metric in part else pd.Series(dtype=float)
            values = scored.to_numpy(float).round(9)
            if not len(values):
                cells.append("")
                continue
            low, high = interval(values)
            figures[str(name)][metric] = float(values.mean())
            cells.append(f"{values.mean():.3g} ({low:.3g} to {high:.3g})")
        for metric in ("dice", "crps"):
            g = gap(rows, str(name), "persistence", metric)
            known = name != "persistence" and np.isfinite(g.value)
            cells.append(f"{g.value:+.3f} ({g.low:+.3f} to {g.high:+.3f})" if known else "")
            if known:
                figures[str(name)] |= {f"{metric} gap": g.value, f"{metric} gap low": g.low}
        print(f"| {name} |", " | ".join(cells), "|")
    dices = rows.pivot_table("dice", "patient", "model", sort=False).round(3)
    print("\nDice by patient:\n", dices.T.to_string())
    print_result_line(__file__, given.quick, figures)


if __name__ == "__main__":
    main()
