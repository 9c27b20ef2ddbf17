"""Large arrays in pieces: FLARE sends each array as one block, in memory and within one time-out.

A message is cut before it is handed to FLARE and joined after it has arrived. Arrays of a large
message then lie on disk until they are used.
"""

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flame.core.processes import return_freed_memory
from flame.federation.flare.limits import size_of

PIECE = 2 * 2**20
"""Bytes of a piece: what the slowest connection that is allowed for carries in 2 s."""
LARGE = 32 * 2**20
"""Bytes of a message from which on its arrays lie on disk, and replies arrive one at a time."""
_PIECES = "pieces"


def cut(message: Any) -> Any:
    """Cut the arrays of a message that are larger than a piece.

    Args:
        message: arrays, plain values, and dictionaries, lists or tuples of them.

    Returns:
        The message, in which each larger array is a dictionary of its ``pieces``, views of 1-D, and
        its ``shape``.

    Example:
        >>> message = cut({"weights": [np.zeros((3, 2**20), np.float32)], "number": 1})
        >>> [len(piece) for piece in message["weights"][0]["pieces"]] == 6 * [2**19]
        True
    """
    if isinstance(message, dict):
        return {name: cut(part) for name, part in message.items()}
    if isinstance(message, list | tuple):
        return type(message)(cut(part) for part in message)
    if not isinstance(message, np.ndarray) or message.nbytes <= PIECE:
        return message
    flat, step = np.ascontiguousarray(message).reshape(-1), PIECE // message.itemsize
    pieces = [flat[start : start + step] for start in range(0, len(flat), step)]
    return {_PIECES: pieces, "shape": list(message.shape)}


def joined(message: Any, folder: Path) -> Any:
    """Invert ``cut``. The pieces are taken out of ``message``, so that memory holds them once.

    Args:
        message: what ``cut`` returned.
        folder: folder of the files, without a name, in which the arrays of a large message lie
            that were cut.

    Returns:
        The message with its arrays.

    Raises:
        ValueError: the pieces do not fill the shape.

    Example:
        >>> array = np.arange(2**20)
        >>> bool((joined(cut([array]), Path())[0] == array).all())
        True
    """
    if size_of(message) <= LARGE:
        return _joined(message, None)
    whole = _joined(message, folder)
    return_freed_memory()
    return whole


def on_disk(message: Any, folder: Path) -> Any:
    """Move the arrays of a large message to disk, where they lie as after ``joined``.

    Args:
        message: arrays, plain values, and dictionaries, lists or tuples of them.
        folder: folder of the files, without a name.

    Returns:
        The message; unchanged if it is not large.
    """
    return joined(cut(message), folder) if size_of(message) > LARGE else message


def _joined(message: Any, folder: Path | None) -> Any:
    if isinstance(message, dict) and _PIECES in message:
        pieces, shape = message[_PIECES], tuple(message["shape"])
        return _on_disk(pieces, folder).reshape(shape) if folder else _whole(pieces).reshape(shape)
    if isinstance(message, dict):
        return {name: _joined(part, folder) for name, part in message.items()}
    if isinstance(message, list | tuple):
        return type(message)(_joined(part, folder) for part in message)
    return message


def _whole(pieces: list[NDArray[Any]]) -> NDArray[Any]:
    whole = np.empty(sum(map(len, pieces)), pieces[0].dtype)
    start = 0
    while pieces:
        piece = pieces.pop(0)
        whole[start : start + len(piece)] = piece
        start += len(piece)
    return whole


def _on_disk(pieces: list[NDArray[Any]], folder: Path) -> NDArray[Any]:
    kind = pieces[0].dtype
    with tempfile.TemporaryFile(dir=folder) as file:
        while pieces:
            file.write(pieces.pop(0).data)
        file.flush()
        mapped = np.memmap(file, kind, mode="c")
    return mapped.view(np.ndarray)
