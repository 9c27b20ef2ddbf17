"""Rounds on disk: one .npz a training, replaced as a whole after every round."""

import json
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from flame.core.errors import BadInput, FlameError
from flame.core.files import atomic_path
from flame.core.scores import Weights
from flame.federation.strategies.strategy import State
from flame.federation.task import Shared

MODELS = "models"
_SHARED = "shared."


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """State after ``round`` rounds, what all sites share and the history so far.

    ``finished`` once the task has nothing more to ask.
    """

    round: int
    state: State
    shared: Shared
    history: list[dict[str, Any]] = field(default_factory=list)
    finished: bool = False


def checkpoint_path(run: Path, name: str) -> Path:
    """Where the checkpoint, and in the end the model, of a training lies."""
    return run / MODELS / f"{name}.npz"


def save_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Write atomically: a killed run finds the round before or this one, never half of it."""
    arrays: dict[str, Any] = {
        "round": np.int64(checkpoint.round),
        "history": np.array(json.dumps(checkpoint.history)),
        "finished": np.bool_(checkpoint.finished),
        "names": np.array(json.dumps(checkpoint.state.names)),
    }
    arrays |= {f"{_SHARED}{name}": array for name, array in checkpoint.shared.items()}
    for name, weights in {"weights": checkpoint.state.weights, **checkpoint.state.memory}.items():
        arrays |= {f"{name}.{i:04d}": w for i, w in enumerate(weights)}
    with atomic_path(path) as temporary, temporary.open("wb") as stream:
        np.savez(stream, **arrays)


def load_checkpoint(path: Path) -> Checkpoint | None:
    """Return the checkpoint at ``path``, or None where there is none."""
    if not path.exists():
        return None
    try:
        with np.load(path) as file:
            arrays = {k: file[k] for k in file.files}
    except (ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise FlameError(f"{path} is damaged; delete it and run flame train again") from error
    groups: dict[str, Weights] = {"weights": []}
    shared = {k.removeprefix(_SHARED): arrays.pop(k) for k in list(arrays) if k.startswith(_SHARED)}
    for key in sorted(k for k in arrays if "." in k):
        groups.setdefault(key.rsplit(".", 1)[0], []).append(arrays[key])
    weights = groups.pop("weights")
    history = json.loads(str(arrays["history"]))
    state = State(weights, groups, tuple(json.loads(str(arrays["names"]))))
    return Checkpoint(int(arrays["round"]), state, shared, history, bool(arrays["finished"]))


def finished(run: Path, name: str) -> Checkpoint:
    """The checkpoint of a training that is done; BadInput where it is not."""
    found = load_checkpoint(checkpoint_path(run, name))
    if found is None or not found.finished:
        raise BadInput(f"{run}: training has not finished; run flame train again to go on")
    return found
