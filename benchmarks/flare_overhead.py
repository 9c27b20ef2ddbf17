"""What a federated round costs beyond the slowest site's own training: FLARE and in process.

    python benchmarks/flare_overhead.py [--quick]

Four sites of a made-up table, a network of 1.3 million weights (5 MB), the same run on both
engines. Prints a table and, as its last line, one JSON object.
"""

import argparse
import json
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from flame.federation.config import DataConfig, FederationConfig, TrainConfig, TrainingConfig
from flame.models.inputs import ResponseModelConfig
from flame.pipelines import train

FEATURES, PATIENTS, SITES, SEED = 64, 80, 4, 0


def made_up_table(path: Path) -> None:
    rng = np.random.default_rng(SEED)
    values = rng.normal(size=(SITES * PATIENTS, FEATURES))
    table = pd.DataFrame(values, columns=[f"x{i}" for i in range(FEATURES)])
    table["response"] = (values[:, 0] + rng.normal(size=len(table)) > 0).astype(int)
    table["centre"] = [f"site-{i % SITES + 1}" for i in range(len(table))]
    table["patient_id"] = [f"p{i}" for i in range(len(table))]
    table.to_csv(path, index=False)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="5 rounds instead of 20")
    rounds = 5 if parser.parse_args().quick else 20
    rows = []
    with tempfile.TemporaryDirectory() as scratch:
        table = Path(scratch) / "table.csv"
        made_up_table(table)
        base = TrainConfig(
            DataConfig(table=str(table)),
            ResponseModelConfig(
                clinical=tuple(f"x{i}" for i in range(FEATURES)), hidden=20_000, l2=0.0
            ),
            TrainingConfig(rounds=rounds, epochs=5, batch_size=16, folds=2),
        )
        for engine in ("flare", "in-process"):
            run = Path(scratch) / engine
            started = time.perf_counter()
            train.run(replace(base, federation=FederationConfig(engine=engine)), run)
            rows.append(measure(engine, run, time.perf_counter() - started))
    print(pd.DataFrame(rows).round(3).to_string(index=False))
    flare, here = rows
    print(
        json.dumps(
            {
                "name": "overhead of a FLARE round beyond the slowest site, 4 sites, 5 MB model",
                "value": round(flare["overhead median s"], 3),
                "unit": "s",
                "baseline": "overhead of a round in process",
                "ratio": round(flare["overhead median s"] / here["overhead median s"], 3),
                "seeds": [SEED],
            }
        )
    )


def measure(engine: str, run: Path, total: float) -> dict[str, object]:
    """Figures over all rounds in which all four sites took part, the first of each left out.

    On FLARE sites train at the same time, so the slowest sets the pace; in process one after the
    other, so their sum does.
    """
    history = pd.read_csv(run / "history.csv")
    joint = history[history.training.str.match(r"federated\.") & (history["round"] > 1)]
    rounds = joint.groupby(["training", "round"])
    training = rounds.seconds.max() if engine == "flare" else rounds.seconds.sum()
    wall = rounds.round_seconds.first()
    overhead = wall - training
    return {
        "engine": engine,
        "rounds": len(wall),
        "round median s": wall.median(),
        "training median s": training.median(),
        "overhead median s": overhead.median(),
        "overhead 95 % s": overhead.quantile(0.95),
        "whole command s": total,
    }


if __name__ == "__main__":
    main()
