"""Rounds of learning in p2pfl, in its own environment: p2pfl_rounds.py NODES ROUNDS.

Each node is a process with a gRPC server, 100 rows and a network of 3-20-2, and is connected with
two neighbours of a ring. In a round, nodes vote for those that train, which take 5 full-batch steps
of Adam and pass models on until each has the mean of all of them. Its settings for one machine are
used, without Ray.
"""

# ruff: noqa: E402
import multiprocessing
import os
import socket
import sys

import lightning
import numpy as np
import pandas as pd
import torch
from datasets import Dataset, DatasetDict
from p2pfl.settings import Settings

Settings.general.DISABLE_RAY = True  # before the other imports, which start it
from p2pfl.communication.protocols.protobuff.grpc import GrpcCommunicationProtocol
from p2pfl.learning.dataset.p2pfl_dataset import P2PFLDataset
from p2pfl.learning.frameworks.pytorch.lightning_model import LightningModel
from p2pfl.node import Node
from p2pfl.utils.utils import set_standalone_settings, wait_convergence, wait_to_finish

STEPS = 5


class Net(lightning.LightningModule):
    """The network that FLAME trains in the comparison."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = torch.nn.Sequential(
            torch.nn.Linear(3, 20), torch.nn.ReLU(), torch.nn.Linear(20, 2)
        )

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Return Adam."""
        return torch.optim.Adam(self.parameters(), lr=0.02)

    def training_step(self, batch: dict[str, torch.Tensor], _: int) -> torch.Tensor:
        """Return the loss."""
        return torch.nn.functional.cross_entropy(self.layers(batch["x"].float()), batch["y"])

    def test_step(self, batch: dict[str, torch.Tensor], number: int) -> torch.Tensor:
        """Return the loss."""
        return torch.nn.functional.cross_entropy(self.layers(batch["x"].float()), batch["y"])


def rows(node: int, count: int) -> Dataset:
    """Return rows of a node."""
    x = np.random.default_rng(node).normal(size=(count, 3))
    return Dataset.from_pandas(pd.DataFrame({"x": list(x), "y": (x.sum(axis=1) > 0).astype(int)}))


def node(place: int, addresses: list[str], rounds: int, up: "multiprocessing.Barrier") -> None:
    """Run a node until all rounds are over."""
    set_standalone_settings()
    Settings.general.LOG_LEVEL = "ERROR"
    Settings.training.DEFAULT_BATCH_SIZE = 100
    data = P2PFLDataset(DatasetDict({"train": rows(place, 100), "test": rows(place, 1)}))
    protocol = GrpcCommunicationProtocol()
    own = Node(LightningModel(Net()), data, protocol=protocol, addr=addresses[place])
    own.start()
    up.wait()
    own.connect(addresses[(place + 1) % len(addresses)])
    wait_convergence([own], len(addresses) - 1, only_direct=False, wait=60)
    up.wait()
    if place == 0:
        own.set_start_learning(rounds=rounds, epochs=STEPS)
    wait_to_finish([own], timeout=3600)
    up.wait()
    os._exit(0)  # stopping waits for threads that never end


def main(nodes: int, rounds: int) -> None:
    """Run the nodes."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(nodes)]
    addresses = [f"127.0.0.1:{each.getsockname()[1]}" for each in sockets]
    for each in sockets:
        each.close()
    context = multiprocessing.get_context("spawn")
    up = context.Barrier(nodes)
    processes = [
        context.Process(target=node, args=(place, addresses, rounds, up)) for place in range(nodes)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    if any(process.exitcode for process in processes):
        raise SystemExit("a node ended early")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
