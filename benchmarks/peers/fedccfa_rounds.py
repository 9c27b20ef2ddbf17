"""FedCCFA's public code on given rows: fedccfa_rounds.py CHECKOUT ROWS.npz ROUNDS RATE SEED.

Needs an environment with torch, scikit-learn and pandas. Every client takes part in every round,
which follows methods/FedCCFA.py of the checkout. Prints the mean accuracy over clients after each
round as JSON, on test rows with the labels of each client's concept.
"""

import json
import random
import sys
import types
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import torch


def stubs() -> None:
    """Replace modules that FedCCFA imports for downloads and logs, which are not needed here."""
    vision = types.ModuleType("torchvision")
    folder = types.SimpleNamespace(ImageFolder=int)
    transforms = types.ModuleType("torchvision.transforms")
    vision.datasets = types.SimpleNamespace(folder=folder)  # type: ignore[attr-defined]
    transforms.transforms = None  # type: ignore[attr-defined]
    board = types.ModuleType("torch.utils.tensorboard")
    board.SummaryWriter = lambda where: None  # type: ignore[attr-defined]
    names = ("torchvision", "torchvision.transforms", "torch.utils.tensorboard")
    sys.modules.update(zip(names, (vision, transforms, board), strict=True))


class Net(torch.nn.Module):
    """Network from 64 pixels to 20 rectified units, the representation, to 10 classes."""

    def __init__(self) -> None:
        super().__init__()
        self.hidden_layers = torch.nn.Sequential(torch.nn.Linear(64, 20), torch.nn.ReLU())
        self.fc = torch.nn.Linear(20, 10)

    def forward(self, x: torch.Tensor, return_features: bool = False) -> Any:
        """Return logits, and the representation if ``return_features``."""
        feature = self.hidden_layers(x)
        return (self.fc(feature), feature) if return_features else self.fc(feature)


def settings(rate: float) -> dict[str, Any]:
    """Return configs/FedCCFA.yaml of the checkout, with another rate of the representation."""
    return {
        "client_num": 0,
        "sample_ratio": 1.0,
        "device": "cpu",
        "dataset": "digits",
        "model": "MLP",
        "drift_pattern": "sudden",
        "partition": "hetero",
        "rounds": 0,
        "rep_epochs": 5,
        "clf_epochs": 1,
        "balanced_epochs": 5,
        "momentum": 0.9,
        "weight_decay": 1e-5,
        "batch_size": 64,
        "rep_lr": rate,
        "clf_lr": 0.1,
        "balanced_clf_lr": 0.1,
        "lambda": 0.0,
        "gamma": 20.0,
        "penalize": "CL",
        "temperature": 0.1,
        "eps": 0.1,
        "oracle": False,
        "num_classes": 10,
        "weights": "uniform",
        "clustered_protos": True,
    }


def one_round(number: int, clients: list[Any], server: Any) -> None:
    """Train locally, average the representation, and average classifiers within clusters."""
    from torch.nn.utils import vector_to_parameters

    server.send_params(clients)
    balanced = {}
    for client in clients:
        client.update_label_distribution()
        client.balance_train()
        balanced[client.id] = deepcopy(client.get_clf_parameters())
        client.train_with_protos(number)
    server.aggregate_rep(clients)
    server.aggregate_protos(clients)
    server.send_rep_params(clients)
    for label, groups in server.merge_classifiers(balanced).items():
        for group in groups:
            members = [client for client in clients if client.id in group]
            weights = server.aggregate_label_params(label, members)
            prototype = server.aggregate_label_protos(label, members)
            for client in members:
                parameters = client.model.named_parameters()
                classifier = [p[label] for n, p in parameters if n in server.clf_keys]
                vector_to_parameters(weights, classifier)
                client.set_label_params(label, classifier)
                client.global_protos[label] = prototype.clone()
    for client in clients:
        client.p_clf_params = deepcopy(client.get_clf_parameters())


def main() -> None:
    """Run and print."""
    checkout, rows, rounds, rate, seed = sys.argv[1:6]
    stubs()
    sys.path.insert(0, str(Path(checkout).resolve()))
    import entities.base
    from entities.FedCCFA import FedCCFAClient, FedCCFAServer

    entities.base.get_model = lambda dataset, model: Net()
    random.seed(int(seed))
    np.random.seed(int(seed))  # noqa: NPY002  (FedCCFA draws from it)
    torch.manual_seed(int(seed))
    torch.set_num_threads(1)
    data = np.load(rows)
    config = settings(float(rate))
    parts = [
        types.SimpleNamespace(
            data=data[f"x{k}"].astype(np.float32), targets=data[f"y{k}"][0], transform=None
        )
        for k in range(int(data["clients"]))
    ]
    from utils.gen_dataset import ClientDataset

    server = FedCCFAServer(config)
    sets = [ClientDataset(part, np.arange(len(part.targets))) for part in parts]
    clients = [FedCCFAClient(k, config, part, None, 0) for k, part in enumerate(sets)]
    server.get_client_data_size(clients)
    server.clf_keys = list(server.model.state_dict())[-2:]
    for client in clients:
        client.clf_keys = server.clf_keys
    test = torch.tensor(data["test_x"].astype(np.float32))
    accuracy = []
    for number in range(int(rounds)):
        late = int(number >= int(data["drift"]))
        for k, client in enumerate(clients):
            client.train_set.targets = data[f"y{k}"][late]
        one_round(number, clients, server)
        with torch.no_grad():
            right = [c.model(test).argmax(1).numpy() == data["test_y"][late, c.id] for c in clients]
        accuracy.append(float(np.mean(right)))
    print(json.dumps(accuracy))


if __name__ == "__main__":
    main()
