"""Rounds of D-PSGD in decentralizepy, in its environment: decentralizepy_rounds.py NODES ROUNDS.

Each node is a process with 100 rows and a network of 3-20-2, and a round is 5 full-batch steps of
Adam and one exchange with the two neighbours of a ring, over TCP.
"""

import json
import logging
import os
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
from decentralizepy.datasets.Dataset import Dataset
from decentralizepy.graphs.Ring import Ring
from decentralizepy.mappings.Linear import Linear
from decentralizepy.models.Model import Model
from decentralizepy.node.DPSGDNode import DPSGDNode
from torch import multiprocessing

NEVER = 10**9


class Net(Model):
    """The network that FLAME trains in the comparison."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = torch.nn.Sequential(
            torch.nn.Linear(3, 20), torch.nn.ReLU(), torch.nn.Linear(20, 2)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return logits."""
        return self.layers(x)


class Rows(Dataset):
    """100 rows of each node."""

    def get_trainset(self, batch_size: int = 100, shuffle: bool = False) -> list[torch.Tensor]:
        """Return one batch."""
        x = torch.tensor(np.random.default_rng(self.uid).normal(size=(100, 3)), dtype=torch.float32)
        return [(x, (x.sum(dim=1) > 0).long())]

    def get_testset(self) -> None:
        """Return nothing: there is no test."""


def main(nodes: int, rounds: int) -> None:
    """Run the nodes."""
    with tempfile.TemporaryDirectory() as folder:
        addresses = Path(folder) / "addresses.json"
        addresses.write_text(json.dumps({"0": "127.0.0.1"}))
        config = {
            "DATASET": {
                "dataset_package": "decentralizepy_rounds",
                "dataset_class": "Rows",
                "model_class": "Net",
            },
            "OPTIMIZER_PARAMS": {
                "optimizer_package": "torch.optim",
                "optimizer_class": "Adam",
                "lr": 0.02,
            },
            "TRAIN_PARAMS": {
                "training_package": "decentralizepy.training.Training",
                "training_class": "Training",
                "rounds": 5,
                "full_epochs": False,
                "batch_size": 100,
                "shuffle": False,
                "loss_package": "torch.nn",
                "loss_class": "CrossEntropyLoss",
            },
            "COMMUNICATION": {
                "comm_package": "decentralizepy.communication.TCP",
                "comm_class": "TCP",
                "addresses_filepath": str(addresses),
            },
            "SHARING": {
                "sharing_package": "decentralizepy.sharing.Sharing",
                "sharing_class": "Sharing",
            },
        }
        of_all = (Linear(1, nodes), Ring(nodes), config, rounds, folder, folder, logging.WARNING)
        processes = [
            multiprocessing.Process(target=DPSGDNode, args=(k, 0, *of_all, NEVER, NEVER, 0))
            for k in range(nodes)
        ]
        for process in processes:
            process.start()
        for process in processes:
            process.join()
        done = [json.loads((Path(folder) / f"{k}_results.json").read_text()) for k in range(nodes)]
        if any(str(rounds) not in each["total_bytes"] for each in done):
            raise SystemExit("a node ended early")


if __name__ == "__main__":
    os.environ["PYTHONPATH"] = str(Path(__file__).parent)
    multiprocessing.set_start_method("fork")
    main(*map(int, sys.argv[1:]))
