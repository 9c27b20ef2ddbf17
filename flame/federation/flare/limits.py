"""How long a message may take, and how long a lost site or server may hold up the others."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

SLOWEST = 1e6
"""Slowest transfer in bytes per s that a time-out allows for: 8 Mbit/s."""
_BACK_OFF_S = 14.0
"""Pauses in s between the four attempts of FLARE to fetch a piece of a message."""
_ATTEMPTS = 4
_LEAST_S = 3.0
"""Shortest time-out in s of an attempt."""


def transfer_s(message: Any) -> float:
    """Compute how long a message may take on the slowest connection that is allowed for.

    Args:
        message: arrays, or mappings and sequences that contain some.

    Returns:
        Time in s: the size of its arrays over SLOWEST.

    Example:
        >>> transfer_s({"weights": [np.zeros(250_000, np.float32)], "number": 3})
        1.0
    """
    return size_of(message) / SLOWEST


def size_of(message: Any) -> int:
    """Count the bytes of the arrays of a message.

    Args:
        message: arrays, or mappings and sequences that contain some.

    Returns:
        Bytes.

    Example:
        >>> size_of({"weights": [np.zeros(3, np.float32)], "number": 3})
        12
    """
    if isinstance(message, np.ndarray):
        return message.nbytes
    if isinstance(message, Mapping):
        return sum(map(size_of, message.values()))
    return sum(map(size_of, message)) if isinstance(message, list | tuple) else 0


def flare_timeouts(heartbeat_timeout_s: float) -> dict[str, float]:
    """Return FLARE's settings that decide how long a lost site or server holds up the others.

    Left alone, FLARE waits 600 s, four times, for each piece of a message.

    Args:
        heartbeat_timeout_s: time without a response after which a site is lost, in s.

    Returns:
        Values of settings of a job by name.

    Example:
        >>> flare_timeouts(60.0)["np_streaming_per_request_timeout"]
        11.5
    """
    attempt = max(_LEAST_S, (heartbeat_timeout_s - _BACK_OFF_S) / _ATTEMPTS)
    silence = math.ceil(2 * (_ATTEMPTS * attempt + _BACK_OFF_S))
    return {
        "np_streaming_per_request_timeout": attempt,
        "streaming_per_request_timeout": attempt,
        "streaming_idle_timeout": float(max(60, silence)),
        "dead_client_grace_period": heartbeat_timeout_s,
        "end_run_readiness_timeout": 5.0,
    }
