"""Rounds of gossip learning in gossipy, in its own environment: gossipy_rounds.py NODES ROUNDS.

A network of 3-20-2, 100 rows per node, and 5 full-batch steps of Adam when a model arrives. Each
node sends its model to one neighbour of a ring per round. Prints seconds per round.
"""

# ruff: noqa: E402
import sys
import time
import types

import numpy as np
import torch

sys.modules["torchvision"] = types.ModuleType("torchvision")  # gossipy needs it for CIFAR only

from gossipy.core import AntiEntropyProtocol, ConstantDelay, CreateModelMode, StaticP2PNetwork
from gossipy.data import DataDispatcher
from gossipy.data.handler import ClassificationDataHandler
from gossipy.model import TorchModel
from gossipy.model.handler import TorchModelHandler
from gossipy.node import GossipNode
from gossipy.simul import GossipSimulator


class Net(TorchModel):
    """The network that FLAME trains in the comparison."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = torch.nn.Sequential(
            torch.nn.Linear(3, 20), torch.nn.ReLU(), torch.nn.Linear(20, 2)
        )

    def init_weights(self) -> None:
        """Keep the initial weights of PyTorch."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return logits."""
        return self.layers(x)


def main(nodes: int, rounds: int) -> None:
    """Time the rounds."""
    torch.set_num_threads(1)
    rng = np.random.default_rng(0)
    x = torch.tensor(rng.normal(size=(100 * nodes + 1, 3)), dtype=torch.float32)
    y = (x.sum(dim=1) > 0).long()
    data = DataDispatcher(
        ClassificationDataHandler(x[:-1], y[:-1], x[-1:], y[-1:]), nodes, eval_on_user=False
    )
    ring = np.roll(np.eye(nodes), 1, axis=1) + np.roll(np.eye(nodes), -1, axis=1)
    handler = TorchModelHandler(
        Net(),
        torch.optim.Adam,
        {"lr": 0.02},
        torch.nn.CrossEntropyLoss(),
        local_epochs=5,
        batch_size=0,
        create_model_mode=CreateModelMode.MERGE_UPDATE,
    )
    made = GossipNode.generate(data, StaticP2PNetwork(nodes, ring), handler, 10, sync=True)
    simulator = GossipSimulator(
        made, data, 10, AntiEntropyProtocol.PUSH, delay=ConstantDelay(0), sampling_eval=1e-9
    )
    simulator.init_nodes()
    started = time.perf_counter()
    simulator.start(rounds)
    print((time.perf_counter() - started) / rounds)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
