"""Secure aggregation: the coordinator sees the sum over sites, and no update of a single site.

Each pair of sites derives the same pseudorandom mask from an X25519 shared secret. One site adds
the mask to its update and the other subtracts it, so that masks cancel in the sum: with the
update x_i of site i, sum_i (x_i + sum_{j>i} m_ij - sum_{j<i} m_ij) = sum_i x_i.

Values are multiplied by 2^24, rounded, and added modulo 2^64. Sums are exact, in any order.

The second mask of the paper is omitted. If a site is lost, the others mask their updates anew
without it. A coordinator that stored a late reply of the lost site could then unmask its update.

Reference:
    Bonawitz 2017, doi:10.1145/3133956.3133982.
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
"""Masked fixed-point values, modulo 2^64."""
_UNIT = 2.0**24
"""Fixed-point units per 1: a resolution of 6e-8."""
_LEAST = 2
"""Least number of sites behind a sum: a sum over one site is its update."""
_LARGEST = 2.0**36
"""Largest absolute value that can be hidden; in units of 2^-24 it is 2^60."""


class Masks:
    """The key pair of one site, which hides its updates. A new pair is drawn for each object."""

    def __init__(self) -> None:
        self._secret = X25519PrivateKey.generate()
        self.public = self._secret.public_key().public_bytes_raw()
        self._hidden_among: dict[str, set[str]] = {}

    def hide(
        self, site: str, values: NDArray[np.float64], what: str, keys: Mapping[str, bytes]
    ) -> Masked:
        """Hide values under the masks that this site shares with each other site.

        Args:
            site: name of this site in ``keys``.
            values: the values (n,), finite, at most 2^36 in absolute value.
            what: name of the values. Values of the same name may be hidden again only among the
                same or fewer sites.
            keys: public key of each site that takes part, including this one.

        Returns:
            Masked fixed-point values (n,), modulo 2^64.

        Raises:
            Refusal: the key of this site is missing, fewer than two sites take part, the same
                values were hidden among other sites before, or values are not finite or too large.

        Example:
            >>> a, b = Masks(), Masks()
            >>> keys = {"a": a.public, "b": b.public}
            >>> hidden = [a.hide("a", np.array([1.5]), "round 1", keys)]
            >>> hidden += [b.hide("b", np.array([2.0]), "round 1", keys)]
            >>> sum_of(hidden).tolist()
            [3.5]
        """
        others = set(keys) - {site}
        if keys.get(site) != self.public or len(keys) < _LEAST:
            raise Refusal(
                "hides its update only with its own key and that of another site at least"
            )
        if not set(keys) <= self._hidden_among.get(what, set(keys)):
            raise Refusal("hides the same update again only among fewer sites")
        self._hidden_among = {what: set(keys)}
        if not np.isfinite(values).all() or np.abs(values).max(initial=0) > _LARGEST:
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
    """Flatten an update into values that add up over sites.

    Args:
        weights: weights after training, p numbers in all.
        patients: number of patients.
        loss: mean loss.
        steps: number of training steps.

    Returns:
        Values (p + 3,): weights times patients (p,), loss times patients, patients, steps.

    Example:
        >>> as_values([np.array([0.5])], patients=4, loss=0.25, steps=3).tolist()
        [2.0, 1.0, 4.0, 3.0]
    """
    numbers = [loss * patients, patients, steps]
    return np.concatenate([flat(weights) * patients, np.array(numbers, np.float64)])


def sum_of(hidden: list[Masked]) -> NDArray[np.float64]:
    """Add masked values; the masks cancel.

    Args:
        hidden: masked values (n,) of every site whose key was used.

    Returns:
        The sum (n,) of the values without masks.
    """
    total = np.zeros_like(hidden[0])
    for values in hidden:
        total = total + values
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
    """Compute the mean update of a round from masked updates.

    If a site is lost, it is left out, and the others mask their updates anew.

    Args:
        call: the calls of the engine.
        sites: the sites that trained the round with ``secret``.
        least: least number of sites behind the mean; below 2 it counts as 2.
        name: name of the training.
        number: number of the round, from 1.
        like: weights whose shapes and types the result gets.
        seconds: duration of the round in s, for the history.

    Returns:
        One update for all sites: mean weights and loss over patients, total patients, mean steps;
        and why each lost site is lost, by site.

    Raises:
        SitesLost: a site did not send its key.
        FlameError: too few sites remain.
    """
    lost: dict[str, str] = {}
    while len(sites) >= max(least, _LEAST):
        keys = {site: reply["key"] for site, reply in call("key", sites).all("key").items()}
        replies = call("masked", sites, name=name, number=number, keys=keys)
        lost |= replies.lost
        if not replies.lost:
            total = sum_of([replies.got[site]["masked"] for site in sites])
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
