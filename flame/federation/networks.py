"""Export of a run's networks as .keras files, which Keras reads without FLAME."""

from pathlib import Path
from typing import Any

import pandas as pd

from flame.core.files import atomic_path, write_text
from flame.core.scores import Weights
from flame.federation.checkpoint import finished
from flame.federation.config import TrainConfig
from flame.federation.run_files import NETWORK_INPUTS, NETWORKS
from flame.federation.run_strategy import strategy_of
from flame.federation.tasks.registry import open_task
from flame.federation.trainings import final_training
from flame.preprocessing.harmonisation.standardisation import moments_in, spread


def write_networks(run: Path, config: TrainConfig, site: str = "") -> None:
    """Write the final federated network of each seed into RUN/networks.

    Clinical inputs of a network are z-scores, 0 where a value is missing. inputs.csv holds the mean
    and the standard deviation of each input, in the order of the inputs.

    Args:
        run: the run folder; its final trainings are finished.
        config: the configuration of the run.
        site: a site whose own weights are written; empty: the weights of the global model.

    Raises:
        BadInput: a final training is not finished.
    """
    task = open_task(config)
    network = task.network()
    if network is None:
        return
    scales = []
    strategy = strategy_of(config)
    for seed in config.training.seeds:
        name = final_training(config.data.centres, seed).name
        model = finished(run, name)
        weights = strategy.weights_for(model.state, site) if site else model.state.weights
        save_network(network, weights, run / NETWORKS / f"{name}.keras")
        if task.input_columns():
            moments = moments_in(model.shared)
            columns = zip(task.input_columns(), moments.mean, spread(moments), strict=True)
            scales += [{"training": name, "feature": n, "mean": m, "sd": s} for n, m, s in columns]
    if scales:
        write_text(run / NETWORKS / NETWORK_INPUTS, pd.DataFrame(scales).to_csv(index=False))


def save_network(network: Any, weights: Weights, path: Path) -> Any:
    """Write a network with some weights as a .keras file, without what only training needs.

    Args:
        network: the Keras network.
        weights: its weights.
        path: the file.

    Returns:
        The plain network that was written.
    """
    from flame.core.keras_import import keras

    network.set_weights(weights)
    plain = keras.Model(network.inputs, network.outputs)
    with atomic_path(path) as temporary:
        plain.save(temporary)
    return plain
