"""Checkpoints on disk: one .npz file per training, replaced as a whole after every round."""

import json
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from flame.core.errors import BadInput, FlameError
from flame.core.expansion import check_archive
from flame.core.files import atomic_path
from flame.core.scores import Weights
from flame.federation.run_files import MODELS
from flame.federation.strategies.strategy import WEIGHTS, State
from flame.federation.task import Shared

_SHARED = "shared."
"""Prefix of the arrays that all sites share, in the .npz file."""
_LAST = "state."
"""Prefix of the arrays of the state after the last round."""
_BEST = "best."
"""Prefix of the arrays of the state after the best round."""
_GROUPS = ("groups.state", "groups.best")
"""Entries with the names of what each state remembers, so that an empty list is kept, too."""


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """The state of a training after some rounds.

    Args:
        round: number of rounds done.
        state: weights and memory of the strategy.
        shared: arrays that all sites share, by name.
        history: rows of the history so far, one per round and site.
        finished: whether the training, with its final queries, is done.
        best: state after the round with the lowest validation loss; None without validation.
        best_loss: the lowest validation loss; NaN before the first.
        best_round: number of the round with the lowest validation loss; 0: none yet.
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
    """Return the path of a training's checkpoint, which becomes its model once it is finished.

    Args:
        run: the run folder.
        name: name of the training.

    Returns:
        Path of the .npz file, which may not exist yet.
    """
    return run / MODELS / f"{name}.npz"


def save_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint atomically: a killed run leaves this round or the previous one on disk.

    Args:
        path: the .npz file.
        checkpoint: the checkpoint.
    """
    arrays: dict[str, Any] = {
        "round": np.int64(checkpoint.round),
        "history": np.array(json.dumps(checkpoint.history)),
        "finished": np.bool_(checkpoint.finished),
        "names": np.array(json.dumps(checkpoint.state.names)),
        "best_loss": np.float64(checkpoint.best_loss),
        "best_round": np.int64(checkpoint.best_round),
    }
    arrays |= {f"{_SHARED}{name}": array for name, array in checkpoint.shared.items()}
    states = ((_LAST, checkpoint.state), (_BEST, checkpoint.best))
    for entry, (prefix, state) in zip(_GROUPS, states, strict=True):
        groups = _groups(state)
        arrays[entry] = np.array(json.dumps(list(groups)))
        for name, weights in groups.items():
            arrays |= {f"{prefix}{name}.{i:04d}": w for i, w in enumerate(weights)}
    with atomic_path(path) as temporary, temporary.open("wb") as stream:
        np.savez(stream, **arrays)


def _groups(state: State | None) -> dict[str, Weights]:
    return {WEIGHTS: state.weights, **state.memory} if state else {}


def load_checkpoint(path: Path) -> Checkpoint | None:
    """Read a checkpoint.

    Args:
        path: the .npz file.

    Returns:
        The checkpoint; None if the file does not exist.

    Raises:
        FlameError: the file is damaged.
        BadInput: an older version of FLAME wrote the file.
    """
    if not path.exists():
        return None
    with _opened(path) as file:
        return _checkpoint({k: file[k] for k in file.files})


def load_history(path: Path) -> list[dict[str, Any]]:
    """Read the history in a checkpoint without its arrays, which may be large.

    Args:
        path: the .npz file.

    Returns:
        Rows of the history, one per round and site.

    Raises:
        FlameError: the file is damaged.
        BadInput: an older version of FLAME wrote the file.
    """
    with _opened(path) as file:
        return _history(file["history"])


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """Open a checkpoint, whose entries are read when they are looked up."""
    try:
        check_archive(path)
        with np.load(path) as file:
            if "best_round" not in file.files or f"{_SHARED}squares" in file.files:
                raise BadInput(
                    f"{path} was written by an older version of FLAME; train into a new folder"
                )
            yield file
    except (KeyError, ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise FlameError(f"{path} is damaged; delete it and run flame train again") from error


def _history(entry: Any) -> list[dict[str, Any]]:
    return list(json.loads(str(entry)))


def _checkpoint(arrays: dict[str, Any]) -> Checkpoint:
    shared = {k.removeprefix(_SHARED): arrays.pop(k) for k in list(arrays) if k.startswith(_SHARED)}
    best_round = int(arrays["best_round"])
    return Checkpoint(
        int(arrays["round"]),
        _state(arrays, _LAST, _GROUPS[0]),
        shared,
        _history(arrays["history"]),
        bool(arrays["finished"]),
        _state(arrays, _BEST, _GROUPS[1]) if best_round else None,
        float(arrays["best_loss"]),
        best_round,
    )


def _state(arrays: dict[str, Any], prefix: str, entry: str) -> State:
    stored = json.loads(str(arrays[entry])) if entry in arrays else []
    groups: dict[str, Weights] = {name: [] for name in (WEIGHTS, *stored)}
    for key in sorted(k for k in arrays if k.startswith(prefix)):
        name = key.removeprefix(prefix).rsplit(".", 1)[0]
        groups.setdefault(name, []).append(arrays[key])
    names = tuple(json.loads(str(arrays["names"])))
    return State(groups.pop(WEIGHTS), groups, names)


def finished(run: Path, name: str) -> Checkpoint:
    """Read the checkpoint of a finished training.

    Args:
        run: the run folder.
        name: name of the training.

    Returns:
        The checkpoint, whose state is the model.

    Raises:
        BadInput: the training is not finished.
    """
    checkpoint = load_checkpoint(checkpoint_path(run, name))
    if checkpoint is None or not checkpoint.finished:
        raise BadInput(f"{run}: training has not finished; run flame train again to go on")
    return checkpoint
