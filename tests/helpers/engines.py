"""One configuration on both engines."""

from collections.abc import Iterator
from contextlib import chdir
from dataclasses import replace
from pathlib import Path

from flame.federation.checkpoint import Checkpoint, finished
from flame.federation.config import TrainConfig
from flame.federation.trainings import FEDERATED, joint_trainings
from flame.pipelines import train


def on_both_engines(config: TrainConfig, folder: Path) -> Iterator[tuple[Checkpoint, Checkpoint]]:
    """Every federated training of centres a and b: in process in ``folder``/here, and on FLARE."""
    from flame.federation.flare.simulator import train_on_flare

    config = replace(config, data=replace(config.data, centres=("a", "b")))
    train.run(config, folder / "here")
    (folder / "flare").mkdir()
    on_flare = replace(config, federation=replace(config.federation, engine="flare"))
    with chdir(folder):  # an editable install must be found from anywhere
        train_on_flare(on_flare, folder / "flare", lambda done, total: None)
    for training in joint_trainings(FEDERATED, ("a", "b"), (0,), 2):
        yield finished(folder / "here", training.name), finished(folder / "flare", training.name)
