"""Secure aggregation at a site: what leaves is masked, and only sums over sites can be read.

The protocol is that of Bonawitz 2017 (figure 4), a new one for each sum:

0. ``advertised``: a site makes two X25519 key pairs and signs the public keys together with the
   name of the sum, so that no server can exchange them.
1. ``shared``: a site draws a seed, and splits the seed and its mask key into shares for the other
   sites, of which more than two thirds give them back. Each share is encrypted for its receiver.
2. ``hidden``: a site adds to its values the mask of its seed and, for each other site, a mask that
   both derive from their mask keys. One adds it, the other subtracts it.
3. ``agreed``: told whose values arrived, a site signs this list, with the list of the sites whose
   shares it received and all keys.
4. ``unmasked``: given as many signatures of the same lists as shares give a secret back, a site
   reveals for each site whose values arrived its share of the seed, and for each one that was lost
   its share of the mask key, never both.

Values are multiplied by 2^24, rounded, and added modulo 2^64: sums are exact, in any order.

A site takes each step once for a sum, and signs one list. Since more than two thirds of the sites
must sign the same lists, a server cannot have two pairs of lists signed without at least a third of
the sites helping it. The name of a sum ends with a digest of all that a site was asked, so that
sites that were asked different things reject each other's keys.

A site takes part in sums over three sites or more, and in no sum, of any run, that together with
earlier ones gives the values of one site as a linear combination.

Reference:
    Bonawitz 2017, doi:10.1145/3133956.3133982.
"""

import hashlib
import json
import secrets
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from numpy.typing import NDArray

from flame.core.arrays import digest
from flame.core.errors import Refusal
from flame.core.files import locked, write_text
from flame.federation.privacy.identity import Identity
from flame.federation.privacy.secret_sharing import split

Masked = NDArray[np.uint64]
"""Masked fixed-point values, modulo 2^64."""
Keys = Mapping[str, Mapping[str, bytes]]
"""By site: its public keys ``cipher`` and ``mask``, their ``signature``, its ``certificate``, and
``what``, the name of the sum."""
Revealed = Mapping[str, Mapping[str, bytes]]
"""``seeds`` and ``masks``: the shares that a site reveals, by site."""
LEAST_SITES = 3
"""Least number of sites behind a sum: from a sum over two, each computes the other's values."""
SECURE_STEPS = ("advertised", "shared", "hidden", "agreed", "unmasked")
"""Methods of ``Site`` for the steps of the protocol, in order."""
SUMS_FILE = "secure_sums.json"
"""Name of the file in the kit of a site that lists the sites of all sums it took part in."""
UNIT = 2.0**24
"""Fixed-point units per 1: a resolution of 6e-8."""
_LARGEST = 2.0**36
"""Largest absolute value that can be hidden; in units of 2^-24 it is 2^60."""


def threshold(sites: int) -> int:
    """Return the number of shares that give a secret back: more than two thirds of the sites.

    Args:
        sites: number of sites.

    Returns:
        The number.

    Example:
        >>> threshold(3), threshold(5)
        (3, 4)
    """
    return 2 * sites // 3 + 1


def expanded(seed: bytes, count: int) -> Masked:
    """Expand a seed to a mask, by SHAKE-256.

    Args:
        seed: the seed.
        count: number of values.

    Returns:
        Mask (count,).
    """
    return np.frombuffer(hashlib.shake_256(seed).digest(8 * count), np.uint64)


def pair_mask(secret: X25519PrivateKey, public: bytes, what: str, count: int) -> Masked:
    """Derive the mask that two sites share.

    Args:
        secret: mask key of one site.
        public: public mask key of the other site (32 bytes).
        what: name of the sum.
        count: number of values.

    Returns:
        Mask (count,), the same from either side.
    """
    shared = secret.exchange(X25519PublicKey.from_public_bytes(public))
    return expanded(shared + what.encode(), count)


def given_away(sums: list[list[str]]) -> list[str]:
    """List the sites whose own values are a linear combination of sums.

    Args:
        sums: sites of each sum.

    Returns:
        Names of such sites, in order.

    Example:
        >>> given_away([["a", "b", "c"], ["c", "d", "e"], ["a", "b", "c", "d", "e"]])
        ['c']
    """
    names = sorted({site for sites in sums for site in sites})
    rows = np.array([[site in sites for site in names] for sites in sums], float)
    rank = np.linalg.matrix_rank(rows)
    alone = np.eye(len(names))
    return [
        name
        for name, row in zip(names, alone, strict=True)
        if np.linalg.matrix_rank(np.vstack([rows, row])) == rank
    ]


def _plain(keys: Keys) -> dict[str, dict[str, bytes]]:
    return {site: dict(told) for site, told in keys.items()}


class SecureSum:
    """The part of one site in one sum, with keys of its own.

    Args:
        site: name of the site.
        what: name of the sum.
        values: the values (n,) of the site, finite, at most 2^36 in absolute value.
        identity: signs and checks keys; None: they are not signed, as in a simulation.
        kept: file of the sums so far; None: they are not kept.

    Raises:
        Refusal: a value is not finite or too large.
    """

    def __init__(
        self,
        site: str,
        what: str,
        values: NDArray[np.float64],
        identity: Identity | None = None,
        kept: Path | None = None,
    ) -> None:
        if not np.isfinite(values).all() or np.abs(values).max(initial=0) > _LARGEST:
            raise Refusal("has an update that is not finite, or too large to be hidden")
        self.site = site
        self.what = what
        self.values = values
        self._identity = identity
        self._kept = kept
        self._cipher = X25519PrivateKey.generate()
        self._mask = X25519PrivateKey.generate()
        self._seed = secrets.token_bytes(32)
        self._keys: Keys = {}
        self._held: dict[str, tuple[bytes, bytes]] = {}
        self._lists = b""
        self._alive: set[str] = set()
        self._steps = 0

    def _step(self, number: int) -> None:
        """Go on to a step; each is taken once, in order."""
        if self._steps != number:
            raise Refusal(f"takes each step of the secure sum '{self.what}' once, and in order")
        self._steps += 1

    def advertised(self) -> dict[str, bytes]:
        """Return the signed public keys of this site."""
        self._step(0)
        cipher, mask = (k.public_key().public_bytes_raw() for k in (self._cipher, self._mask))
        told = {"what": self.what.encode()}
        if self._identity is None:
            return {"cipher": cipher, "mask": mask, "signature": b"", "certificate": b"", **told}
        signature = self._identity.signed(self._said(self.site, cipher, mask))
        return {
            "cipher": cipher,
            "mask": mask,
            "signature": signature,
            "certificate": self._identity.certificate,
            **told,
        }

    def _said(self, site: str, cipher: bytes, mask: bytes) -> bytes:
        return f"{site}\n{self.what}\n".encode() + cipher + mask

    def shared(self, keys: Keys) -> dict[str, bytes]:
        """Return the encrypted shares of this site's secrets, by receiver.

        Args:
            keys: public keys of all sites that take part, including this one.

        Returns:
            Ciphertext for each other site.

        Raises:
            Refusal: there are too few sites, or a key is missing or not signed by its site.
        """
        self._step(1)
        own = self._mask.public_key().public_bytes_raw()
        if len(keys) < LEAST_SITES or keys.get(self.site, {}).get("mask") != own:
            raise Refusal(
                f"hides its values only with its own key, among {LEAST_SITES} sites at least"
            )
        for site, told in keys.items():
            if told["what"] != self.what.encode():
                raise Refusal(f"was asked something else than site {site}")
            if self._identity is not None:
                said = self._said(site, told["cipher"], told["mask"])
                self._identity.check(site, said, told["signature"], told["certificate"])
        self._keys = keys
        places = {site: n for n, site in enumerate(sorted(keys), 1)}
        least = threshold(len(keys))
        seeds = split(self._seed, list(places.values()), least)
        masks = split(self._mask.private_bytes_raw(), list(places.values()), least)
        self._held[self.site] = seeds[places[self.site]], masks[places[self.site]]
        return {
            site: self._encrypted(site, seeds[place] + masks[place])
            for site, place in places.items()
            if site != self.site
        }

    def _channel(self, other: str, sender: str) -> tuple[AESGCM, bytes]:
        """Return the cipher between this site and another, and what is authenticated beside."""
        public = X25519PublicKey.from_public_bytes(self._keys[other]["cipher"])
        receiver = self.site if sender == other else other
        about = f"{sender}\n{receiver}\n{self.what}".encode()
        return AESGCM(hashlib.sha256(self._cipher.exchange(public) + about).digest()), about

    def _encrypted(self, other: str, shares: bytes) -> bytes:
        cipher, about = self._channel(other, self.site)
        nonce = secrets.token_bytes(12)
        return nonce + cipher.encrypt(nonce, shares, about)

    def hidden(self, shares: Mapping[str, bytes]) -> Masked:
        """Return the masked values.

        Args:
            shares: ciphertext for this site of each other site that still takes part.

        Returns:
            Masked fixed-point values (n,), modulo 2^64.

        Raises:
            Refusal: too few sites are left, or a ciphertext is not of its sender.
        """
        self._step(2)
        if len(shares) + 1 < LEAST_SITES or not shares.keys() < self._keys.keys():
            raise Refusal(f"hides its values among {LEAST_SITES} sites at least")
        total = np.round(self.values * UNIT).astype(np.int64).view(np.uint64)
        total = total + expanded(self._seed, len(self.values))
        for other, ciphertext in shares.items():
            cipher, about = self._channel(other, other)
            try:
                both = cipher.decrypt(ciphertext[:12], ciphertext[12:], about)
            except InvalidTag:
                raise Refusal(f"received shares that site {other} did not send") from None
            self._held[other] = both[: len(both) // 2], both[len(both) // 2 :]
            mask = pair_mask(self._mask, self._keys[other]["mask"], self.what, len(self.values))
            total = total + mask if self.site < other else total - mask
        return total

    def agreed(self, alive: list[str]) -> bytes:
        """Sign whose values have arrived.

        Args:
            alive: sites whose masked values have arrived.

        Returns:
            Signature of this list, of the sites whose shares arrived here, and of all keys; in a
            simulation these lists themselves.

        Raises:
            Refusal: too few sites are left.
        """
        self._step(3)
        here = set(alive)
        enough = max(threshold(len(self._keys)), LEAST_SITES)
        if len(here) < enough or self.site not in here or not here <= self._held.keys():
            raise Refusal(f"reveals sums over {enough} of these sites at least, itself among them")
        self._alive = here
        lists = digest([self.what, sorted(here), sorted(self._held), _plain(self._keys)])
        self._lists = lists.encode()
        return self._identity.signed(self._lists) if self._identity else self._lists

    def unmasked(self, agreements: Mapping[str, bytes]) -> Revealed:
        """Reveal what turns the masked values of all sites into their sum.

        Args:
            agreements: by site, its signature of the lists.

        Returns:
            ``seeds``: this site's share of the seed of each site whose values arrived; ``masks``:
            its share of the mask key of each other site.

        Raises:
            Refusal: too few sites signed the same lists, or the sum would give one site away.
        """
        self._step(4)
        if len(agreements) < threshold(len(self._keys)) or not agreements.keys() <= self._alive:
            raise Refusal("reveals a sum only if enough sites agree whose values are in it")
        for site, signature in agreements.items():
            if self._identity is None and signature != self._lists:
                raise Refusal(f"has other lists of sites than site {site}")
            if self._identity is not None:
                certificate = self._keys[site]["certificate"]
                self._identity.check(site, self._lists, signature, certificate)
        here = self._alive
        self._keep(here)
        return {
            "seeds": {site: seed for site, (seed, _) in self._held.items() if site in here},
            "masks": {site: mask for site, (_, mask) in self._held.items() if site not in here},
        }

    def _keep(self, sites: set[str]) -> None:
        """Add the sites to those of all sums; refuse a sum that would give one site away."""
        if self._kept is None:
            return
        with locked(self._kept.with_suffix(".lock"), wait=True):
            before = json.loads(self._kept.read_text()) if self._kept.exists() else []
            for one in given_away([*before, sorted(sites)]):
                raise Refusal(
                    f"takes part in no sum that gives site {one} away: with earlier sums, its "
                    "values would be a difference. Wait until the same sites are there, or, where "
                    f"its hospital agrees, delete {SUMS_FILE} in the kits"
                )
            if sorted(sites) not in before:
                write_text(self._kept, json.dumps([*before, sorted(sites)]), private=True)
