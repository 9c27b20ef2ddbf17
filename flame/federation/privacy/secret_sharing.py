"""Shares of a secret, of which any ``threshold`` give it back and fewer tell nothing.

Reference:
    Shamir 1979, doi:10.1145/359168.359176.
"""

import secrets
from collections.abc import Mapping

_PRIME = 2**521 - 1
"""Prime above every secret of 32 bytes."""
_SIZE = 66
"""Bytes of a share."""


def split(secret: bytes, places: list[int], threshold: int) -> dict[int, bytes]:
    """Split a secret into shares: values of a random polynomial whose constant is the secret.

    Args:
        secret: 32 bytes.
        places: places of the shares, from 1, all different.
        threshold: number of shares that give the secret back.

    Returns:
        Share by place.

    Example:
        >>> shares = split(b"k" * 32, [1, 2, 3], threshold=2)
        >>> joined({1: shares[1], 3: shares[3]}) == b"k" * 32
        True
    """
    coefficients = [int.from_bytes(secret, "big")]
    coefficients += [secrets.randbelow(_PRIME) for _ in range(threshold - 1)]
    return {x: _value(coefficients, x).to_bytes(_SIZE, "big") for x in places}


def _value(coefficients: list[int], x: int) -> int:
    total = 0
    for coefficient in reversed(coefficients):
        total = (total * x + coefficient) % _PRIME
    return total


def joined(shares: Mapping[int, bytes]) -> bytes:
    """Give back a secret from as many shares as its threshold, or more.

    Args:
        shares: share by place.

    Returns:
        The secret (32 bytes); other bytes if there are too few shares.
    """
    total = 0
    for x, share in shares.items():
        weight = 1
        for other in shares:
            if other != x:
                weight = weight * other * pow(other - x, -1, _PRIME) % _PRIME
        total = (total + weight * int.from_bytes(share, "big")) % _PRIME
    return (total % 2**256).to_bytes(32, "big")
