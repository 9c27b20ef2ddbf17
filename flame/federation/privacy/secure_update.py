"""Secure aggregation at the coordinator: it carries messages between sites, and reads the sum."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from numpy.typing import NDArray

from flame.core.arrays import flat, shaped
from flame.core.errors import FlameError
from flame.core.scores import Update, Weights
from flame.federation.calls import Call, said
from flame.federation.privacy.secret_sharing import joined
from flame.federation.privacy.secure_aggregation import (
    LEAST_SITES,
    UNIT,
    Keys,
    Masked,
    Revealed,
    expanded,
    pair_mask,
    threshold,
)
from flame.federation.task import Message


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


def sum_of(
    hidden: Mapping[str, Masked], keys: Keys, revealed: Mapping[str, Revealed], what: str
) -> NDArray[np.float64]:
    """Add masked values and take off their masks.

    Args:
        hidden: masked values (n,) by site.
        keys: public keys of all sites that shared their secrets.
        revealed: by site, what it revealed: ``seeds`` and ``masks``, shares by site.
        what: full name of the sum, as the sites know it.

    Returns:
        The sum (n,) of the values of the sites in ``hidden``.
    """
    places = {site: n for n, site in enumerate(sorted(keys), 1)}

    def secret(kind: str, site: str) -> bytes:
        return joined({places[s]: shares[kind][site] for s, shares in revealed.items()})

    total = np.zeros_like(next(iter(hidden.values())))
    for site, values in hidden.items():
        total = total + values - expanded(secret("seeds", site), len(values))
    for lost in next(iter(revealed.values()))["masks"]:
        mask = X25519PrivateKey.from_private_bytes(secret("masks", lost))
        for site, values in hidden.items():
            shared = pair_mask(mask, keys[site]["mask"], what, len(values))
            total = total - shared if site < lost else total + shared
    return total.view(np.int64).astype(np.float64) / UNIT


def secure_sum(
    call: Call, sites: tuple[str, ...], least: int, what: str
) -> tuple[NDArray[np.float64], tuple[str, ...], dict[str, str]]:
    """Carry out the protocol of a sum over sites that hold values for it.

    Args:
        call: the calls of the engine.
        sites: the sites.
        least: least number of sites behind the sum; below 3 it counts as 3.
        what: name of the sum.

    Returns:
        The sum (n,), its sites, and why each lost site is lost.

    Raises:
        FlameError: too few sites remain.
    """
    lost: dict[str, str] = {}
    keys: dict[str, Any] = {}

    def step(
        method: str, sites: Iterable[str], each: Mapping[str, Message] | None = None, **also: Any
    ) -> dict[str, Any]:
        """Return what the sites reply that are not lost; the last steps need fewer of them."""
        replies = call(method, tuple(sites), each, what=what, **also)
        lost.update(replies.lost)
        last = method in ("agreed", "unmasked")
        enough = threshold(len(keys)) if last else max(least, LEAST_SITES)
        if len(replies.got) < enough:
            raise FlameError(f"too few sites to hide their values among: {said(lost)}")
        return {site: reply[method] for site, reply in sorted(replies.got.items())}

    keys = step("advertised", sites)
    shares = step("shared", keys, keys=keys)
    each = {
        site: {"shares": {other: shares[other][site] for other in shares if other != site}}
        for site in shares
    }
    hidden = step("hidden", shares, each)
    agreements = step("agreed", hidden, alive=list(hidden))
    revealed = step("unmasked", agreements, agreements=agreements)
    full = next(iter(keys.values()))["what"].decode()  # all alike, or the sites had refused
    return sum_of(hidden, keys, revealed, full), tuple(hidden), lost


def secure_update(
    call: Call,
    sites: tuple[str, ...],
    least: int,
    what: str,
    like: Weights,
    seconds: float,
) -> tuple[Update, dict[str, str]]:
    """Compute the mean update of a round from hidden updates.

    Args:
        call: the calls of the engine.
        sites: the sites that trained the round with ``secret``.
        least: least number of sites behind the mean; below 3 it counts as 3.
        what: name of the sum.
        like: weights whose shapes and types the result gets.
        seconds: duration of the round in s, for the history.

    Returns:
        One update for all sites: mean weights and loss over patients, total patients, mean steps;
        and why each lost site is lost, by site.

    Raises:
        FlameError: too few sites remain.
    """
    total, sites, lost = secure_sum(call, sites, least, what)
    loss, patients, steps = total[-3:]
    weights = shaped(total[:-3] / patients, like)
    mean_steps = max(round(steps / len(sites)), 1)
    name = "+".join(sites)
    return Update(name, weights, round(patients), float(loss / patients), seconds, mean_steps), lost
