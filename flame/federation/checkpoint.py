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
from flame.federation.run_files import MODELS
from flame.federation.strategies.strategy import State
from flame.federation.task import Shared

_SHARED, _LAST, _BEST = "shared.", "state.", "best."


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """State after ``round`` rounds, what all sites share and the history so far.

    ``finished`` once the task has nothing more to ask. ``best`` is the state of ``best_round``,
    whose loss on patients kept apart is the lowest so far.
    """

    round: int
    state: State
    shared: Shared
    history: list[dict[str, Any]] = field(default_factory=list)
    finished: bool = False
    best: State | None = None
    best_loss: float = float("nan")
    best_round: int = 0


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
        "best_loss": np.float64(checkpoint.best_loss),
        "best_round": np.int64(checkpoint.best_round),
    }
    arrays |= {f"{_SHARED}{name}": array for name, array in checkpoint.shared.items()}
    for prefix, state in ((_LAST, checkpoint.state), (_BEST, checkpoint.best)):
        for name, weights in _groups(state).items():
            arrays |= {f"{prefix}{name}.{i:04d}": w for i, w in enumerate(weights)}
    with atomic_path(path) as temporary, temporary.open("wb") as stream:
        np.savez(stream, **arrays)


def _groups(state: State | None) -> dict[str, Weights]:
    return {"weights": state.weights, **state.memory} if state else {}


def load_checkpoint(path: Path) -> Checkpoint | None:
    """Return the checkpoint at ``path``, or None where there is none."""
    if not path.exists():
        return None
    try:
        with np.load(path) as file:
            arrays = {k: file[k] for k in file.files}
    except (ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise FlameError(f"{path} is damaged; delete it and run flame train again") from error
    if "best_round" not in arrays or f"{_SHARED}squares" in arrays:
        raise BadInput(f"{path} is of an older FLAME; train again into a new folder")
    shared = {k.removeprefix(_SHARED): arrays.pop(k) for k in list(arrays) if k.startswith(_SHARED)}
    best_round = int(arrays["best_round"])
    return Checkpoint(
        int(arrays["round"]),
        _state(arrays, _LAST),
        shared,
        json.loads(str(arrays["history"])),
        bool(arrays["finished"]),
        _state(arrays, _BEST) if best_round else None,
        float(arrays["best_loss"]),
        best_round,
    )


def _state(arrays: dict[str, Any], prefix: str) -> State:
    groups: dict[str, Weights] = {"weights": []}
    for key in sorted(k for k in arrays if k.startswith(prefix)):
        name = key.removeprefix(prefix).rsplit(".", 1)[0]
        groups.setdefault(name, []).append(arrays[key])
    names = tuple(json.loads(str(arrays["names"])))
    return State(groups.pop("weights"), groups, names)


def finished(run: Path, name: str) -> Checkpoint:
    """The checkpoint of a training that is done; BadInput where it is not."""
    found = load_checkpoint(checkpoint_path(run, name))
    if found is None or not found.finished:
        raise BadInput(f"{run}: training has not finished; run flame train again to go on")
    return found
