"""Response and survival on real patients: generalisation of federated models by hospital.

    python benchmarks/response.py TABLES [--quick] [--out FOLDER]

TABLES holds gbm_four_centres.csv, lumiere_visits.csv and fed_tcga_brca/. Prints a table of each and
one JSON object as its last line. FLamby's figures are those that it ships with its results.
"""

import argparse
import json
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from lifelines.utils import concordance_index
from result_line import add_quick, print_result_line
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import (
    balanced_accuracy_score,
    brier_score_loss,
    cohen_kappa_score,
    log_loss,
    roc_auc_score,
)

from flame.core.config import load_config
from flame.evaluation.outcomes.out_of_fold import Predictor
from flame.evaluation.outcomes.outcome import OUTCOMES
from flame.federation.config import TrainConfig
from flame.federation.run_folder import RunFolder
from flame.federation.sections import DataConfig, RegressionConfig
from flame.federation.tasks.cohorts import load_cohort
from flame.federation.tasks.registry import open_task
from flame.federation.tasks.regression import PENALIZERS
from flame.models.clinical.rano import CRITERIA, Burden, Rating, assess
from flame.models.response.inputs import ResponseModelConfig
from flame.pipelines import evaluate, train

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
SHOWN = ("federated leave-one-out", "federated", "personalised", "local", "pooled")
FLAMBY = {"FedAvg": 0.735, "FedAdam": 0.842, "pooled": 0.704, "best local": 0.728}
"""C-index on the pooled test patients of fed_tcga_brca, 100 rounds, mean of 5 seeds."""
RATINGS = ("PD", "SD", "PR", "CR")
CLINICAL = ("age", "sex", "mgmt_status", "idh_status", "resection_status")
Figures = dict[str, Any]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("tables", type=Path)
    add_quick(parser, "one seed, two folds, clinical features alone, fewer bootstrap samples")
    parser.add_argument("--out", type=Path, help="folder of runs to keep")
    arguments = parser.parse_args()
    seeds = (0,) if arguments.quick else (0, 1, 2, 3, 4)
    with tempfile.TemporaryDirectory() as scratch:
        out = arguments.out or Path(scratch)
        figures = {
            **three_hospitals(
                arguments.tables / "gbm_four_centres.csv", out, seeds, arguments.quick
            ),
            **penalty_across_hospitals(arguments.tables / "gbm_four_centres.csv"),
            **lumiere(arguments.tables / "lumiere_visits.csv", out, seeds, arguments.quick),
            **agreement(pd.read_csv(arguments.tables / "lumiere_visits.csv"), arguments.quick),
            **tcga_brca(arguments.tables / "fed_tcga_brca", out),
        }
    print(json.dumps({"name": "response", "seeds": list(seeds), "figures": figures}))
    print_result_line(__file__, arguments.quick, without_intervals(figures))


def without_intervals(figures: Figures) -> Figures:
    """Return figures without their intervals."""
    values: Figures = {}
    for name, value in figures.items():
        if isinstance(value, dict):
            values[name] = without_intervals(value)
        else:
            values[name] = value[0] if isinstance(value, list) else value
    return values


def run(config: TrainConfig, folder: Path) -> pd.DataFrame:
    """Train and evaluate; return the scores."""
    train.run(config, folder)
    evaluate.run(folder)
    return pd.read_csv(folder / "scores.csv")


def three_hospitals(table: Path, out: Path, seeds: tuple[int, ...], quick: bool) -> Figures:
    """Predict being alive at 365 days and survival, from clinical features and with radiomics."""
    example = load_config(TrainConfig, EXAMPLES / "gbm_table.toml", [f"data.table={table}"])
    example = replace(
        example,
        federation=replace(example.federation, engine="in-process"),
        training=replace(example.training, seeds=seeds, personalised=True),
        baselines={"clinical only": CLINICAL},
    )
    sets = {"clinical": CLINICAL, "radiomics": example.model.clinical}
    if quick:
        example = replace(example, training=replace(example.training, folds=2, personalised=False))
        sets = {"clinical": CLINICAL}
    figures: Figures = {}
    for task, metrics in (
        ("response", ("auc", "brier", "calibration slope")),
        ("survival", ("c_index", "calibration slope")),
    ):
        for name, features in sets.items():
            model = ResponseModelConfig(kind="logistic", clinical=tuple(features))
            data = replace(example.data, horizon_days=365.0 if task == "response" else None)
            config = replace(example, task=task, model=model, data=data)
            scores = run(config, out / f"{task}-{name}")
            for metric in metrics:
                title = f"{task}, {name}, {metric}"
                figures[title] = by_model(scores, metric)
                show(title, figures[title], config.data.centres)
    return figures


def penalty_across_hospitals(table: Path) -> Figures:
    """Choose the penalty by leaving out a hospital within training, and test on the unseen one.

    With two hospitals left for training, each is predicted from the other. The exact regressions
    make this equal to a federated choice.
    """
    data = pd.read_csv(table)
    centres = ("UCSF", "UPENN", "TCGA")
    data = data[data.centre.isin(centres)]
    lived = np.where(data.survival_days > 365, 1.0, 0.0)
    censored = (data.survival_status == 0) & (data.survival_days <= 365)
    data, lived = data[~censored], lived[~censored]
    x = data[list(CLINICAL)].fillna({"resection_status": 0.5}).to_numpy(float)

    def predicted(train: np.ndarray, test: np.ndarray, penalizer: float) -> np.ndarray:
        mean, sd = np.nanmean(x[train], axis=0), np.nanstd(x[train], axis=0)
        z = np.nan_to_num((x - mean) / np.where(sd > 0, sd, np.inf))
        fitted = LogisticRegression(C=1 / (penalizer * train.sum())).fit(z[train], lived[train])
        return np.asarray(fitted.predict_proba(z[test])[:, 1])

    figures = {}
    print("\n| unseen hospital | penalty chosen | AUC | Brier |\n|---|---|---|---|")
    for unseen in centres:
        inside = (data.centre != unseen).to_numpy()
        losses = []
        for penalizer in PENALIZERS:
            each = [
                log_loss(lived[test], predicted(inside & ~test, test, penalizer)) * test.sum()
                for test in ((data.centre == c).to_numpy() for c in centres if c != unseen)
            ]
            losses.append(sum(each))
        best = PENALIZERS[int(np.argmin(losses))]
        p = predicted(inside, ~inside, best)
        row = {
            "penalizer": best,
            "auc": round(float(roc_auc_score(lived[~inside], p)), 3),
            "brier": round(float(brier_score_loss(lived[~inside], p)), 3),
        }
        figures[f"penalty across hospitals, {unseen}"] = row
        print(f"| {unseen} | {best} | {row['auc']} | {row['brier']} |")
    return figures


def by_model(scores: pd.DataFrame, metric: str) -> Figures:
    """Return figures with intervals by model and centre; local models at their own centre only."""
    at_home = (scores.model != "local") | (scores.trained_on == scores.tested_on)
    rows = scores[(scores.metric == metric) & at_home]
    return {
        str(model): {
            r.tested_on: [round(v, 3) for v in (r.value, r.low, r.high)] for r in part.itertuples()
        }
        for model, part in rows.groupby("model", sort=False)
        if model in SHOWN or ", " in str(model) or model == "prevalence"
    }


def show(title: str, figures: Figures, centres: tuple[str, ...]) -> None:
    print(f"\n{title} (95 % interval); real patients\n\n| model | {' | '.join(centres)} |")
    print("|---|" + "---|" * len(centres))
    for model, by in figures.items():
        cells = (f"{v:.3f} ({low:.3f}-{high:.3f})" for v, low, high in (by[c] for c in centres))
        print(f"| {model} | {' | '.join(cells)} |")
    sys.stdout.flush()


def lumiere(table: Path, out: Path, seeds: tuple[int, ...], quick: bool) -> Figures:
    """Predict whether the next rating is PD from earlier visits; one centre, split by patient."""
    visits = next_ratings(pd.read_csv(table))
    out.mkdir(parents=True, exist_ok=True)
    visits.to_csv(out / "lumiere.csv", index=False)
    known = ["visit", "patient", "centre", "response"]
    everything = tuple(c for c in visits.columns if c not in (*known, *HISTORY[1:]))
    responders = int(visits.response.sum())
    print(
        f"\nLUMIERE: {len(visits)} visits of {visits.patient.nunique()} patients, "
        f"{responders} followed by PD"
    )
    data = DataConfig(
        table=str(out / "lumiere.csv"),
        id_column="visit",
        person_column="patient",
        centres=("LUMIERE",),
    )
    figures = {}
    for name, features in (("everything known", everything), ("ratings so far", HISTORY)):
        config = TrainConfig(
            data,
            ResponseModelConfig(kind="logistic", clinical=features, missing="indicator"),
            replace(TrainConfig(data).training, seeds=seeds),
            baselines={"last rating": ("PD now",), "volume": ("volume", "growth")},
        )
        if quick:
            config = replace(config, training=replace(config.training, folds=2))
        folder = out / f"lumiere-{name.split()[0]}"
        scores = run(config, folder)
        for metric in ("auc", "balanced accuracy", "brier"):
            title = f"next rating PD from {name}, {metric}"
            figures[title] = by_model(scores, metric)
            show(title, figures[title], ("LUMIERE",))
        gap = over_carrying_forward(config, folder, visits, 50 if quick else 2000)
        figures[f"balanced accuracy from {name}, less the last rating carried forward"] = gap
        print(f"balanced accuracy less the last rating carried forward: {gap} over patients")
    return figures


HISTORY = ("PD now", "SD now", "response now", "share of PD", "log weeks")
"""Ratings so far, chosen before they were tried: the present rating, the share of PD, the time."""


def over_carrying_forward(
    config: TrainConfig, folder: Path, visits: pd.DataFrame, samples: int
) -> list[float]:
    """Return the balanced accuracy less that of the last rating, with a paired 95 % interval.

    The cut is the share of PD among the training patients. Patients are resampled, with all visits.
    """
    cohort = load_cohort(config, "LUMIERE")
    inputs = open_task(config).patients(cohort)
    (model,) = [p for p in Predictor(config, folder, [inputs]).all() if p.model == "federated"]
    called = model.by_seed >= OUTCOMES["response"].cuts(model, [inputs])
    by_visit = visits.set_index("visit").loc[list(inputs.pseudonyms)]
    truth, carried = by_visit.response.to_numpy() == 1, by_visit["PD now"].to_numpy() == 1
    rows = [np.flatnonzero(by_visit.patient == name) for name in by_visit.patient.unique()]

    def gap(index: np.ndarray) -> float:
        y = truth[index]
        ours = np.mean([balanced_accuracy_score(y, c[index]) for c in called])
        return float(ours - balanced_accuracy_score(y, carried[index]))

    rng = np.random.default_rng(0)
    drawn = [
        gap(np.concatenate([rows[i] for i in rng.integers(0, len(rows), len(rows))]))
        for _ in range(samples)
    ]
    low, high = np.quantile(drawn, [0.025, 0.975])
    return [round(float(v), 3) for v in (gap(np.arange(len(truth))), low, high)]


def next_ratings(table: pd.DataFrame) -> pd.DataFrame:
    """Return one row per visit before a rated one: what was known by then, and the next rating."""
    rows = []
    for patient, visits in sized(table).groupby("Patient"):
        for now, (_, later) in enumerate(list(visits.iterrows())[1:]):
            past = visits.iloc[: now + 1]
            present = visits.iloc[now]
            if later.rating in RATINGS:
                rows.append(
                    {
                        "visit": f"{patient} {present.Timepoint}",
                        "patient": patient,
                        "centre": "LUMIERE",
                        "response": int(later.rating == "PD"),
                        **known(past, present),
                    }
                )
    return pd.DataFrame(rows)


def sized(table: pd.DataFrame) -> pd.DataFrame:
    """Return visits in order, with the volume in ml and the product of diameters in mm².

    The table has no volumes. The volume of a body follows from its sphericity and its ratio of
    surface to volume. Both are means over several segmentations here, so the volume is approximate.
    """
    inverse = table["original_shape_SurfaceVolumeRatio"] * table["original_shape_Sphericity"]
    product = (
        table["original_shape_Maximum2DDiameterSlice"] * table["original_shape_MinorAxisLength"]
    )
    made = table.assign(
        volume=36 * np.pi / inverse**3 / 1000, product=product, rating=table.Rating.str.strip()
    )
    return made.sort_values(["Patient", "week"])


END_OF_RADIOTHERAPY = 70
"""Day from the first image. An assumption (start four weeks after surgery), as LUMIERE has no dates
of radiotherapy.
"""


def agreement(table: pd.DataFrame, quick: bool) -> Figures:
    """Compare RANO by FLAME with the expert ratings of LUMIERE, visit by visit."""
    visits = sized(table).dropna(subset=["volume"])
    figures = {}
    print(
        "\nLUMIERE: RANO from sizes against the expert (95 % interval, bootstrap over patients)\n"
        "\n| criteria | visits | PD or not: balanced accuracy | kappa | CR, PR, SD, PD: accuracy "
        "|\n|---|---|---|---|---|"
    )
    for name in ("rano-2.0-volume", "rano-2.0", "rano-2010"):
        rules = CRITERIA[name]
        rows = []
        for patient, part in visits.groupby("Patient"):
            size = part.volume if rules.unit == "ml" else part["product"]
            days = [Burden(int(7 * w), round(v, 3)) for w, v in zip(part.week, size, strict=True)]
            for assessment, expert in zip(
                assess(days, END_OF_RADIOTHERAPY, rules), part.rating, strict=True
            ):
                rating = assessment.rating
                if expert in RATINGS and rating not in (Rating.BEFORE, Rating.BASELINE):
                    rated = "PD" if rating is Rating.UNCONFIRMED else str(rating)
                    rows.append((patient, "SD" if rated == Rating.NOT_PD else rated, expert))
        made = pd.DataFrame(rows, columns=["patient", "flame", "expert"])
        row = {"visits": len(made), **_intervals(made, 50 if quick else 500)}
        figures[f"RANO agreement, {name}"] = row
        cells = (f"{v:.3f} ({low:.3f}-{high:.3f})" for v, low, high in list(row.values())[1:])
        print(f"| {name} | {len(made)} | {' | '.join(cells)} |")
    return figures


def _intervals(rows: pd.DataFrame, samples: int) -> Figures:
    def of(part: pd.DataFrame) -> list[float]:
        pd_predicted = part.flame == "PD"
        pd_true = part.expert == "PD"
        return [
            balanced_accuracy_score(pd_true, pd_predicted),
            cohen_kappa_score(pd_true, pd_predicted),
            float((part.flame == part.expert).mean()),
        ]

    by_patient = [part for _, part in rows.groupby("patient")]
    rng = np.random.default_rng(0)
    drawn = [
        of(pd.concat([by_patient[i] for i in rng.integers(0, len(by_patient), len(by_patient))]))
        for _ in range(samples)
    ]
    low, high = np.quantile(drawn, [0.025, 0.975], axis=0)
    names = ("balanced accuracy", "kappa", "accuracy of four")
    return {
        name: [round(float(v), 3) for v in values]
        for name, *values in zip(names, of(rows), low, high, strict=True)
    }


def known(past: pd.DataFrame, present: pd.Series) -> Figures:
    before = past.iloc[-2] if len(past) > 1 else None
    rated = past.rating[past.rating.isin(RATINGS)]
    coded = {"methylated": 1.0, "not methylated": 0.0, "WT": 0.0}
    shape = {c.split("_")[-1]: present[c] for c in past.columns if c.startswith("original_shape")}
    return {
        "PD now": float(present.rating == "PD"),
        "rated": float(present.rating in RATINGS),
        "SD now": float(present.rating == "SD"),
        "response now": float(present.rating in ("PR", "CR")),
        "share of PD": float((rated == "PD").mean()) if len(rated) else 0.5,
        "log weeks": float(np.log1p(present.week)),
        "PD before": float((past.rating == "PD").sum()),
        "week": present.week,
        "volume": present.volume,
        "growth": np.log(present.volume / before.volume) if before is not None else np.nan,
        "over the nadir": np.log(present.volume / past.volume.min()),
        "age": pd.to_numeric(present["Age.at.surgery..years."], errors="coerce"),
        "mgmt": coded.get(str(present.MGMT), np.nan),
        **shape,
    }


def tcga_brca(folder: Path, out: Path) -> Figures:
    """Test the exact federated Cox model on FLamby's split, against the results it ships."""
    table = pd.read_csv(folder / "brca.csv").merge(
        pd.read_csv(folder / "train_test_split.csv"), on="pid"
    )
    table["centre"] = "region-" + table.fold2.str[-1]
    features = tuple(table.columns[1:40])
    training = table[table.fold == "train"]
    tested = table[table.fold == "test"]
    training.to_csv(out / "brca.csv", index=False)
    centres = tuple(sorted(table.centre.unique()))
    data = DataConfig(
        table=str(out / "brca.csv"), id_column="pid", survival=("T", "E"), centres=centres
    )
    config = TrainConfig(
        data,
        ResponseModelConfig(clinical=features),
        task="survival",
        training=replace(TrainConfig(data).training, folds=2),
        regression=RegressionConfig(penalizer=0.01),
    )
    train.run(config, out / "brca")
    shared = RunFolder(out / "brca").federated_model(config).shared
    beta = shared["beta"] / np.sqrt(shared["sum_sq_dev"] / shared["count"])
    score = pd.Series(-tested[list(features)].to_numpy(float) @ beta, tested.index)
    figures = {"FLAME, all regions": concordance_index(tested["T"], score, tested["E"])}
    for centre, part in tested.groupby("centre"):
        figures[f"FLAME, {centre}"] = concordance_index(part["T"], score[part.index], part["E"])
    figures = {name: round(float(value), 3) for name, value in figures.items()}
    steps = int(shared["queried"])
    print(
        f"\nfed_tcga_brca, FLamby's split: C-index, the exact federated Cox model after {steps} "
        "rounds\n\n| model | C-index |\n|---|---|"
    )
    for name, value in {**figures, **{f"FLamby's {k}": v for k, v in FLAMBY.items()}}.items():
        print(f"| {name} | {value:.3f} |")
    return {"fed_tcga_brca": {**figures, "rounds": steps, "FLamby": FLAMBY}}


if __name__ == "__main__":
    main()
