"""Forecasts of the same simulated patients, planned on MRI or on a CT that nothing links to it.

    python benchmarks/planning_images.py [--quick] [--centres 3] [--patients 6] [--out FOLDER]

Simulated patients only. Each patient is written twice as DICOM, with the same MRI: once with plan,
dose and contours on the MRI of the planning day, once on a CT. Both go through ``flame
preprocess``. The mechanistic model is then calibrated and tested, patient by patient in two folds,
on the patients planned on MRI, and on a federation in which every second hospital plans on CT.
Prints the figures of both and their paired differences with bootstrap intervals over patients.
"""

import argparse
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
from result_line import add_quick, print_result_line

from flame.evaluation.images.forecast_scores import by_patient, evaluate
from flame.federation.tasks.evolution import case_of
from flame.io.pseudonym import load_key, pseudonym
from flame.models.evolution.calibrated import Calibrated
from flame.models.evolution.mechanistic import Mechanistic
from flame.models.evolution.model import EvolutionCase
from flame.pipelines import preprocess, simulate
from flame.preprocessing.cohort.cohort import read_cohort
from flame.preprocessing.cohort.tumour_cube import around_tumour
from flame.preprocessing.config import StageConfig

SHOWN = ("dice", "hd95", "crps", "changed dice")
"""Figures that are compared."""
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


def scores(cases: dict[str, EvolutionCase]) -> pd.DataFrame:
    """Return the figures of each patient, forecast by a model that was fitted on the other fold."""
    names = sorted(cases)
    rows = []
    for fold in (0, 1):
        model = Calibrated(Mechanistic())
        model.fit([cases[n] for i, n in enumerate(names) if i % 2 != fold])
        for name in names[fold::2]:
            rows.append(evaluate(model, "mechanistic", [cases[name]], 0).assign(patient=name))
    return pd.concat(rows)


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
    both = sorted(on_mri.keys() & on_ct.keys())
    half = {n: (on_ct if on_mri[n].centre[-1] in "13579" else on_mri)[n] for n in both}
    tables = {"planned on MRI": scores({n: on_mri[n] for n in both}), "half on CT": scores(half)}
    rng = np.random.default_rng(0)
    figures: dict[str, object] = {"patients": len(both)}
    for name in SHOWN:
        first, second = (by_patient(t, name).to_numpy() for t in tables.values())
        gap = second - first
        samples = gap[rng.integers(len(gap), size=(RESAMPLES, len(gap)))].mean(axis=1)
        low, high = np.quantile(samples, (0.025, 0.975))
        figures[name] = {
            "planned on MRI": float(first.mean()),
            "half on CT": float(second.mean()),
            "difference": float(gap.mean()),
            "low": float(low),
            "high": float(high),
        }
        line = f"{first.mean():.3f} on MRI, {second.mean():.3f} with half on CT"
        print(f"{name}: {line}, difference {gap.mean():+.3f} ({low:+.3f} to {high:+.3f})")
    print_result_line(__file__, arguments.quick, figures)


if __name__ == "__main__":
    main()
