"""Federated against pooled and local training and plain baselines, at three real hospitals.

    python benchmarks/gbm_table.py PATH/gbm_four_centres.csv [--quick] [--out RUN]

Prints the AUC of every model at every centre with 95 % intervals, the paired differences, and one
JSON object as its last line.
"""

import argparse
import json
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
from result_line import add_quick, print_result_line

from flame.core.config import load_config
from flame.federation.config import TrainConfig
from flame.pipelines import evaluate, train

EXAMPLE = Path(__file__).resolve().parents[1] / "examples" / "gbm_table.toml"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("table", type=Path)
    add_quick(parser, "one seed, two folds, few rounds, in process")
    parser.add_argument("--out", type=Path, help="run folder to keep")
    arguments = parser.parse_args()
    config = load_config(TrainConfig, EXAMPLE, [f"data.table={arguments.table}"])
    if arguments.quick:
        config = replace(
            config,
            training=replace(config.training, seeds=(0,), folds=2, rounds=5),
            federation=replace(config.federation, engine="in-process"),
        )
    with tempfile.TemporaryDirectory() as scratch:
        run = arguments.out or Path(scratch) / "run"
        train.run(config, run)
        evaluate.run(run)
        scores = pd.read_csv(run / "scores.csv")
        gaps = pd.read_csv(run / "differences.csv")
        headline = report(scores, gaps, config)
    print_result_line(__file__, arguments.quick, headline)


def report(scores: pd.DataFrame, gaps: pd.DataFrame, config: TrainConfig) -> dict[str, Any]:
    """Print the tables and the figures; return the headline figures."""
    aucs = scores[scores.metric == "auc"].copy()
    aucs["auc"] = [f"{r.value:.3f} ({r.low:.3f}-{r.high:.3f})" for r in aucs.itertuples()]
    local = aucs.model == "local"
    aucs.loc[local, "model"] = "local " + aucs.loc[local, "trained_on"]
    table = aucs.pivot(index="model", columns="tested_on", values="auc")
    print("AUC of being alive at 365 days, real patients, mean over seeds (95 % interval)")
    print(table[list(config.data.centres)].to_string())
    print("\nPaired differences of AUC (95 % bootstrap interval over patients)")
    print(gaps.drop(columns="reason").round(3).to_string(index=False))
    pooled = gaps[gaps.against.str.startswith("pooled")]
    figures: dict[str, Any] = {
        "name": "federated minus pooled AUC, the lowest over centres seen and unseen",
        "value": round(float(pooled.value.min()), 4),
        "unit": "AUC",
        "baseline": "pooled training",
        "ratio": None,
        "by_centre": {
            f"{r.model} at {r.tested_on}": round(r.value, 4) for r in pooled.itertuples()
        },
        "seeds": list(config.training.seeds),
        "engine": config.federation.engine,
    }
    print(json.dumps(figures))
    federated = aucs[(aucs.model == "federated") | aucs.model.str.endswith("leave-one-out")]
    return {
        figures["name"]: figures["value"],
        **{f"AUC, {r.model} at {r.tested_on}": r.value for r in federated.itertuples()},
    }


if __name__ == "__main__":
    main()
