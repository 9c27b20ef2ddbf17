"""Forecasts of the same simulated patients, planned on MRI or on a CT that nothing links to it.

    python benchmarks/planning_images.py [--quick] [--centres 3] [--patients 6] [--out FOLDER]

Simulated patients only. Each patient is written twice as DICOM, with the same MRI: once with plan,
dose and contours on the MRI of the planning day, once on a CT. Both go through ``flame
preprocess``. The mechanistic model is then fitted and tested, patient by patient in two folds, on
the patients planned on MRI, and on a federation in which every second hospital plans on CT. A third
row forecasts all patients from their CT by the models that were fitted on MRI, so that it differs
by the planning images alone. Prints the figures and their paired differences from the first row,
with bootstrap intervals over patients. Days with less than 1 ml of tumour are left out: there, one
voxel decides.
"""

import argparse
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
from result_line import add_quick, print_result_line

from flame.evaluation.images.forecast_scores import by_patient, evaluate
from flame.federation.tasks.evolution import case_of
from flame.io.pseudonym import load_key, pseudonym
from flame.models.evolution.mechanistic import Mechanistic
from flame.models.evolution.model import EvolutionCase
from flame.pipelines import preprocess, simulate
from flame.preprocessing.cohort.cohort import read_cohort
from flame.preprocessing.cohort.tumour_cube import around_tumour
from flame.preprocessing.config import StageConfig

SHOWN = ("dice", "hd95", "crps", "changed dice")
"""Figures that are compared."""
LEAST_ML = 1.0
"""Smallest volume of the tumour in ml on a day that is tested."""
RESAMPLES = 2000
"""Number of bootstrap samples."""


def made(
    out: Path, planning: str, centres: int, patients: int, spacing: float
) -> dict[str, EvolutionCase]:
    """Simulate and preprocess the patients; return their cases by patient id."""
    folder = out / planning
    settings = simulate.SimulateConfig(
        str(folder), centres, patients, spacing, planning=planning, jobs=2
    )
    simulate.run(settings)
    cases = {}
    for name in simulate.centre_names(centres):
        dicom, bids = folder / name / "dicom", folder / name / "bids"
        config = preprocess.PreprocessConfig(
            str(dicom),
            str(bids),
            StageConfig(spacing=spacing),
            2,
            str(folder / name / "clinical.tsv"),
        )
        preprocess.run(config)
        key = load_key(dicom.with_name("dicom.key"))
        ids = {pseudonym(key, p.name): p.name for p in dicom.iterdir()}
        for patient in read_cohort(bids, name, around_tumour).patients:
            cases[ids[patient.pseudonym]] = case_of(patient, name)
    return cases


def scores(
    cases: dict[str, EvolutionCase], tested: dict[str, EvolutionCase] | None = None
) -> pd.DataFrame:
    """Return the figures of each patient, forecast by a model that was fitted on the other fold.

    The forecasts are those of ``tested``; None: of the same cases.
    """
    names = sorted(cases)
    rows = []
    for fold in (0, 1):
        model = Mechanistic()
        model.fit([cases[n] for i, n in enumerate(names) if i % 2 != fold])
        for name in names[fold::2]:
            case = (tested or cases)[name]
            rows.append(evaluate(model, "mechanistic", [case], 0).assign(patient=name))
    return pd.concat(rows)


def followed(case: EvolutionCase) -> EvolutionCase:
    """Return a case with the later days on which the tumour has at least LEAST_ML."""
    return replace(case, later=tuple(x for x in case.later if case.ml(x[1]) >= LEAST_ML))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_quick(parser, "two hospitals of four patients")
    parser.add_argument("--centres", type=int, default=3)
    parser.add_argument("--patients", type=int, default=6)
    parser.add_argument(
        "--out", type=Path, help="folder that keeps the data; a second run continues"
    )
    arguments = parser.parse_args()
    centres, patients = (2, 4) if arguments.quick else (arguments.centres, arguments.patients)
    with TemporaryDirectory() as temporary:
        out = arguments.out or Path(temporary)
        spacing = 4.0 if arguments.quick else 2.0  # mm
        on_mri = made(out, "mr", centres, patients, spacing)
        on_ct = made(out, "ct", centres, patients, spacing)
    on_mri, on_ct = ({n: followed(c) for n, c in x.items()} for x in (on_mri, on_ct))
    both = [n for n in sorted(on_mri) if n in on_ct and on_mri[n].later and on_ct[n].later]
    mri = {n: on_mri[n] for n in both}
    half = {n: (on_ct if mri[n].centre[-1] in "13579" else on_mri)[n] for n in both}
    tables = {
        "half on CT": scores(half),
        "all on CT, models of MRI": scores(mri, {n: on_ct[n] for n in both}),
    }
    first = scores(mri)
    rng = np.random.default_rng(0)
    figures: dict[str, object] = {"patients": len(both)}
    for name in SHOWN:
        known = by_patient(first, name)
        print(f"{name}: {known.mean():.3f} planned on MRI, {len(known)} patients")
        figures[f"{name}, planned on MRI"] = float(known.mean())
        for title, table in tables.items():
            gap = (by_patient(table, name) - known).dropna().to_numpy()
            samples = gap[rng.integers(len(gap), size=(RESAMPLES, len(gap)))].mean(axis=1)
            low, high = np.quantile(samples, (0.025, 0.975))
            print(f"  {title}: {gap.mean():+.3f} ({low:+.3f} to {high:+.3f})")
            figures[f"{name}, {title}"] = {
                "difference": float(gap.mean()),
                "low": float(low),
                "high": float(high),
            }
    print_result_line(__file__, arguments.quick, figures)


if __name__ == "__main__":
    main()
