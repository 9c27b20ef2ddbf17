"""Secure aggregation: the coordinator learns the sum over sites, and no site's own update.

Each pair of sites shares a secret (X25519) of which both make the same numbers; one adds them to
its update, the other takes them off, so that they cancel in the sum (Bonawitz 2017,
doi:10.1145/3133956.3133982, without its second mask: where a site is lost the others mask anew
without it, and a coordinator that kept the late answer of that site could take it apart).

Updates are whole numbers of 2^-24 modulo 2^64: sums are exact, in whatever order.
"""

import hashlib
from collections.abc import Mapping

import numpy as np
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from numpy.typing import NDArray

from flame.core.arrays import flat, shaped
from flame.core.errors import FlameError, Refusal
from flame.core.scores import Update, Weights
from flame.federation.calls import Call, said

Masked = NDArray[np.uint64]
_UNIT, _LEAST = 2.0**24, 2


class Masks:
    """A site's half: its key, and its updates under masks that cancel over ``keys``."""

    def __init__(self) -> None:
        self._secret = X25519PrivateKey.generate()
        self.public = self._secret.public_key().public_bytes_raw()
        self._shown: dict[str, set[str]] = {}

    def hide(
        self, site: str, values: NDArray[np.float64], what: str, keys: Mapping[str, bytes]
    ) -> Masked:
        """``values`` (n,) under the masks of ``site`` and all others of ``keys``.

        ``what`` names the values: the same may be hidden again only among fewer sites, and never
        among fewer than two.
        """
        others = set(keys) - {site}
        if keys.get(site) != self.public or len(keys) < _LEAST:
            raise Refusal("hides its update among itself and another site at least")
        if not set(keys) <= self._shown.get(what, set(keys)):
            raise Refusal("hides the same update again only among fewer sites")
        self._shown = {what: set(keys)}
        if not np.isfinite(values).all() or np.abs(values).max(initial=0) > 2.0**36:
            raise Refusal("has an update that is not finite, or too large to be hidden")
        hidden = np.round(values * _UNIT).astype(np.int64).view(np.uint64)
        for other in others:
            mask = self._mask(site, other, keys, what, len(values))
            hidden = hidden + mask if site < other else hidden - mask
        return hidden

    def _mask(
        self, site: str, other: str, keys: Mapping[str, bytes], what: str, count: int
    ) -> Masked:
        shared = self._secret.exchange(X25519PublicKey.from_public_bytes(keys[other]))
        pair = "+".join(sorted((site, other)))
        among = ",".join(sorted(keys))
        seed = shared + f"{pair}:{among}:{what}".encode()
        return np.frombuffer(hashlib.shake_256(seed).digest(8 * count), np.uint64)


def as_values(weights: Weights, patients: int, loss: float, steps: int) -> NDArray[np.float64]:
    """What is summed of an update: weights and loss times patients, patients, steps."""
    numbers = [loss * patients, patients, steps]
    return np.concatenate([flat(weights) * patients, np.array(numbers, np.float64)])


def sum_of(hidden: list[Masked]) -> NDArray[np.float64]:
    """The sum of the values under the masks of all who shared them."""
    total = np.zeros_like(hidden[0])
    for each in hidden:
        total = total + each
    return total.view(np.int64).astype(np.float64) / _UNIT


def secure_update(
    call: Call,
    sites: tuple[str, ...],
    least: int,
    name: str,
    number: int,
    like: Weights,
    seconds: float,
) -> tuple[Update, dict[str, str]]:
    """The mean of the updates that ``sites`` hold of a round, as one; and who was lost on the way.

    FlameError where fewer than ``least`` remain.
    """
    lost: dict[str, str] = {}
    while len(sites) >= max(least, _LEAST):
        keys = {site: a["key"] for site, a in call("key", sites).all("key").items()}
        answers = call("masked", sites, name=name, number=number, keys=keys)
        lost |= answers.lost
        if not answers.lost:
            total = sum_of([answers.got[site]["masked"] for site in sites])
            loss, patients, steps = total[-3:]
            weights = shaped(total[:-3] / patients, like)
            update = Update(
                "+".join(sites),
                weights,
                round(patients),
                float(loss / patients),
                seconds,
                max(round(steps / len(sites)), 1),
            )
            return update, lost
        sites = tuple(site for site in sites if site not in lost)
    raise FlameError(f"too few sites to hide an update among: {said(lost)}")
