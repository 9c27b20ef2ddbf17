"""AUC at held-out hospitals when weights are sent with federation.bits 32, 16 and 8.

    python benchmarks/federation_bits.py TABLE [--quick]

TABLE is gbm_four_centres.csv (real patients of UCSF, UPENN and TCGA). FedAvg trains a network with
512 hidden units to predict being alive at 365 days, in 20 rounds; nothing is tuned.
``federation.py`` measures the bytes of a round. Prints a table and, as its last line, one JSON
object.
"""

import argparse
import json
import tempfile
from pathlib import Path

import pandas as pd
from result_line import add_quick, print_result_line
from unseen import auc_unseen, settings, trained

from flame.federation.compression import BITS
from flame.federation.sections import FederationConfig, TrainingConfig

HIDDEN = 512
AIM = 0.005
"""Largest acceptable loss of AUC against 32 bits."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("table")
    add_quick(parser, "one seed, 5 rounds")
    arguments = parser.parse_args()
    seeds = range(1 if arguments.quick else 5)
    rounds = 5 if arguments.quick else 20
    rows = []
    for seed in seeds:
        training = TrainingConfig(rounds=rounds, folds=2, seeds=(seed,))
        for bits in BITS:
            config = settings(
                arguments.table, training, HIDDEN, federation=FederationConfig(bits=bits)
            )
            with tempfile.TemporaryDirectory() as scratch:
                predictor, inputs = trained(config, Path(scratch))
                rows += [
                    {
                        "seed": seed,
                        "bits": bits,
                        "centre": i.centre,
                        "auc": auc_unseen(predictor, i),
                    }
                    for i in inputs
                ]
    table = pd.DataFrame(rows).pivot(index=["centre", "seed"], columns="bits", values="auc")
    print(f"Real patients; AUC at the hospital left out, means over {len(seeds)} seeds")
    means = table.groupby("centre").mean()
    print(means.round(4).to_string())
    lost = pd.DataFrame({bits: table[max(BITS)] - table[bits] for bits in BITS[1:]})
    print("\nAUC lost against 32 bits: mean, and the most of any hospital and seed")
    print(lost.agg(["mean", "max"]).round(5).to_string())
    print(
        json.dumps(
            {
                "name": "AUC lost by fewer bits, most of any hospital and seed",
                "unit": "AUC",
                "value": {str(bits): round(float(lost[bits].max()), 5) for bits in lost},
                "mean": {str(bits): round(float(lost[bits].mean()), 5) for bits in lost},
                "baseline": "32 bits",
                "aim": AIM,
                "seeds": list(seeds),
            }
        )
    )
    headline = {
        f"{bits} bits": {
            **{f"AUC unseen, {name}": value for name, value in means[bits].items()},
            "AUC lost, mean": lost[bits].mean() if bits in lost else None,
            "AUC lost, most": lost[bits].max() if bits in lost else None,
        }
        for bits in means
    }
    print_result_line(__file__, arguments.quick, headline)


if __name__ == "__main__":
    main()
