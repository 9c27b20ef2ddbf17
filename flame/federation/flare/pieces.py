"""Large arrays in pieces: FLARE sends each array as one block, in memory and within one time-out.

A message is cut before it is handed to FLARE and joined after it has arrived. Arrays of a large
message then lie on disk until they are used.
"""

import math
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from flame.core.processes import return_freed_memory
from flame.federation.flare.limits import size_of

PIECE = 2 * 2**20
"""Bytes of a piece: what the slowest connection that is allowed for carries in 2 s."""
LARGE = 32 * 2**20
"""Bytes of a message from which on its arrays lie on disk, and replies arrive one at a time."""
_PIECES = "pieces"
_NUMBERS = "biufc"
"""Kinds of numbers that may be cut: no objects, which are pointers."""
_ALIGNED = 64
"""Arrays begin in a file at multiples of these bytes."""


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
        folder: folder of the file, without a name, in which the arrays of a large message lie that
            were cut.

    Returns:
        The message with its arrays.

    Raises:
        ValueError: pieces are not 1-D arrays of one kind of numbers that fill the shape.

    Example:
        >>> array = np.arange(2**20)
        >>> bool((joined(cut([array]), Path())[0] == array).all())
        True
    """
    if size_of(message) <= LARGE:
        return _joined(message, _in_memory)
    with tempfile.TemporaryFile(dir=folder) as file:
        places = _joined(message, partial(_written, file))
        file.flush()
        if not file.tell():
            return places
        whole = _found(places, np.memmap(file, np.uint8, mode="c").view(np.ndarray))
    return_freed_memory()
    return whole


def on_disk(message: Any, folder: Path) -> Any:
    """Move the arrays of a large message to disk, where they lie as after ``joined``.

    Args:
        message: arrays, plain values, and dictionaries, lists or tuples of them.
        folder: folder of the file, without a name.

    Returns:
        The message; unchanged if it is not large.
    """
    return joined(cut(message), folder) if size_of(message) > LARGE else message


class _Place(NamedTuple):
    """Where an array lies in a file: its first byte, kind of numbers and shape."""

    start: int
    kind: np.dtype[Any]
    shape: tuple[int, ...]


def _joined(message: Any, join: Callable[[list[NDArray[Any]], tuple[int, ...]], Any]) -> Any:
    """Replace what was cut by what ``join`` makes of its pieces and its shape."""
    if isinstance(message, dict) and _PIECES in message:
        return join(*_checked(message))
    if isinstance(message, dict):
        return {name: _joined(part, join) for name, part in message.items()}
    if isinstance(message, list | tuple):
        return type(message)(_joined(part, join) for part in message)
    return message


def _checked(message: dict[str, Any]) -> tuple[list[NDArray[Any]], tuple[int, ...]]:
    """Return the pieces and the shape of an array that another party sent."""
    pieces, shape = message[_PIECES], message.get("shape")
    if not (isinstance(pieces, list) and pieces and isinstance(shape, list | tuple)):
        raise ValueError("an array without pieces or shape")
    if not all(isinstance(p, np.ndarray) and p.ndim == 1 for p in pieces):
        raise ValueError("pieces that are no arrays")
    kinds = {piece.dtype for piece in pieces}
    if len(kinds) > 1 or pieces[0].dtype.kind not in _NUMBERS:
        raise ValueError("pieces that are not of one kind of numbers")
    if sum(map(len, pieces)) != math.prod(shape):
        raise ValueError("pieces that do not fill the shape")
    return pieces, tuple(shape)


def _in_memory(pieces: list[NDArray[Any]], shape: tuple[int, ...]) -> NDArray[Any]:
    whole = np.empty(math.prod(shape), pieces[0].dtype)
    start = 0
    while pieces:
        piece = pieces.pop(0)
        whole[start : start + len(piece)] = piece
        start += len(piece)
    return whole.reshape(shape)


def _written(file: IO[bytes], pieces: list[NDArray[Any]], shape: tuple[int, ...]) -> _Place:
    file.write(bytes(-file.tell() % _ALIGNED))
    place = _Place(file.tell(), pieces[0].dtype, shape)
    while pieces:
        file.write(np.ascontiguousarray(pieces.pop(0)).data)
    return place


def _found(message: Any, content: NDArray[np.uint8]) -> Any:
    """Replace places by the arrays that lie there."""
    if isinstance(message, _Place):
        end = message.start + math.prod(message.shape) * message.kind.itemsize
        return content[message.start : end].view(message.kind).reshape(message.shape)
    if isinstance(message, dict):
        return {name: _found(part, content) for name, part in message.items()}
    if isinstance(message, list | tuple):
        return type(message)(_found(part, content) for part in message)
    return message
