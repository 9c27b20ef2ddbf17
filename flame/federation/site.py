"""A site: the process that holds the patients of one centre and replies to the coordinator.

A site knows no engine. Only the return values of its methods leave it: weights, counts and sums.
"""

import hashlib
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flame.core.arrays import digest, flat
from flame.core.errors import Refusal
from flame.core.scores import Correction, Weights
from flame.core.version import __version__
from flame.federation.compression import beginnings, changes, is_rounded, packed, unpacked
from flame.federation.folds import calibration_rows, fold_of, training_rows
from flame.federation.privacy.differential import CentrePrivacy
from flame.federation.privacy.identity import Identity
from flame.federation.privacy.secure_aggregation import SUMS_FILE, SecureSum
from flame.federation.privacy.secure_update import as_values
from flame.federation.task import Message, Patients, Query, Shared, Task, TrainRequest


def derived_rng(*names: object) -> np.random.Generator:
    """Create a random generator that depends on ``names`` alone, so that any round can be repeated.

    The seed is the first 8 bytes of the SHA-256 of the names, joined by colons.

    Args:
        *names: anything whose ``str`` identifies the purpose, such as training, round and centre.

    Returns:
        A NumPy generator; equal names give equal random numbers.

    Example:
        >>> first = derived_rng("federated", 1, "UCSF").random()
        >>> first == derived_rng("federated", 1, "UCSF").random()
        True
        >>> first == derived_rng("federated", 2, "UCSF").random()
        False
    """
    digest = hashlib.sha256(":".join(map(str, names)).encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:8], "little"))


class Site:
    """Trains and evaluates on the patients of one centre.

    The site of a pooled training holds the patients of several centres.

    Args:
        task: the task of the run.
        patients: the patients of each centre of this site, as the task sees them.
        least: least number of patients of a centre behind any reply; with fewer the site refuses.
        secure: whether the site refuses to send an update without a mask.
        privacy: differential privacy of the centre. The site then sends noised updates and
            refuses every query. None: no differential privacy.
        kit: kit of the site; None: a simulation.
    """

    def __init__(
        self,
        task: Task[Any],
        patients: list[Any],
        least: int = 1,
        secure: bool = False,
        privacy: CentrePrivacy | None = None,
        kit: Path | None = None,
    ) -> None:
        self.task = task
        self.least = least
        self.secure = secure
        self.privacy = privacy
        self.patients: list[Patients] = patients
        self.kit = kit
        self._identity = Identity.of_kit(kit) if kit and secure else None
        # By name of a secure sum: its full name, and the values that leave in that sum only.
        self._secret: dict[str, tuple[str, NDArray[np.float64]]] = {}
        self._sum: SecureSum | None = None
        self._sum_name = ""

    def describe(self) -> Message:
        """Return the installed FLAME version; the coordinator refuses sites of another version."""
        return {"version": __version__}

    def initial_weights(self, seed: int) -> Message:
        """Create the initial weights of the model, which are the same at every site.

        Args:
            seed: seed of the initial weights.

        Returns:
            ``weights``, and ``names``: the place of each array in the network.
        """
        weights = self.task.initial_weights(self.patients[0], seed)
        return {"weights": weights, "names": list(self.task.weight_names())}

    def reply(
        self,
        query: str,
        parameters: Message,
        weights: Weights,
        shared: Shared,
        calibrating: bool,
        who: Message,
        secret: str = "",
    ) -> Message:
        """Reply to a query with sums over patients.

        Args:
            query: name of the query.
            parameters: parameters of the query.
            weights: weights of the model so far, rounded or not (see ``compression.packed``).
            shared: arrays that all sites share.
            calibrating: whether to use the patients held out for calibration instead of those that
                the site trains on.
            who: the patients of the training, as ``trainings.who`` describes them.
            secret: name of the secure sum in which alone the reply leaves; empty: it leaves now.

        Returns:
            The reply of the task. If ``secret``, ``shapes`` alone: the shape of each of its arrays.

        Raises:
            Refusal: the site is under differential privacy, or sends masked sums only and this one
                is not ``secret``; or a centre has fewer than ``least`` such patients.
        """
        self._refuse_figures(query)
        if self.secure and not secret:
            raise Refusal("sends sums under masks only")
        chosen = self._chosen(**who, calibrating=calibrating)
        reply = self.task.reply(chosen, Query(query, parameters, unpacked(weights), shared))
        if not secret:
            return reply
        asked = digest([query, parameters, weights, shared, calibrating, who])
        self._secret = {secret: (f"{secret}:{asked}", flat(list(reply.values())))}
        return {"shapes": {name: list(np.shape(value)) for name, value in reply.items()}}

    def score(self, weights: Weights, shared: Shared, who: Message) -> Message:
        """Score a model on patients of this centre that it did not learn from.

        These are the held-out fold if the centre took part in the training, else all its patients
        with a known outcome.

        Args:
            weights: weights of the model.
            shared: arrays that all sites share.
            who: the patients of the training, as ``trainings.who`` describes them.

        Returns:
            The fields of a ``Scored``; empty if the model learned from all patients of this centre.

        Raises:
            Refusal: the site is under differential privacy, or there are fewer than ``least``
                such patients.
        """
        self._refuse_figures("score")
        (patients,) = self.patients
        rows = patients.labelled
        if patients.centre in who["centres"]:
            if who["fold"] < 0:
                return {}
            rows = rows[fold_of(patients, who["seed"], who["folds"])[rows] == who["fold"]]
        if len(rows) < self.least:
            raise Refusal(
                f"{patients.centre} refuses to score fewer than "
                f"privacy.least_patients = {self.least} patients"
            )
        return self.task.score(patients.take(rows), weights, shared)._asdict()

    def train(
        self,
        name: str,
        number: int,
        weights: Weights,
        shared: Shared,
        who: Message,
        corrections: list[Message],
        secret: str = "",
        bits: int = 32,
    ) -> Message:
        """Train one round.

        Args:
            name: name of the training.
            number: number of the round, from 1.
            weights: weights to start from.
            shared: arrays that all sites share.
            who: the patients of the training, as ``trainings.who`` describes them.
            corrections: the fields of each ``Correction``; the site trains once for each.
            secret: name of the secure sum in which alone the update leaves; empty: it leaves now.
            bits: bits per value of the update. Below 32 the site returns the rounded changes of the
                weights instead of the weights.

        Returns:
            The fields of an ``Update``: ``weights``, ``patients``, mean ``loss``, ``seconds``,
            ``steps``, ``also``, the weights of further models, and ``losses``, one of each model if
            there are further ones. If ``secret``, ``seconds`` alone.

        Raises:
            Refusal: the site sends masked updates only and this one is not ``secret``; it is under
                differential privacy and would train more than once; or a centre has fewer than
                ``least`` patients to train on.
        """
        if self.secure and not secret:
            raise Refusal("sends updates under masks only")
        if self.privacy and len(corrections) != 1:
            raise Refusal(
                "learns once a round: a mean over further replies would have less noise; choose a "
                "strategy that trains once"
            )
        started_from = weights
        patients = self._chosen(**who, calibrating=False)
        count = sum(len(p.pseudonyms) for p in patients)
        rng = derived_rng(name, number, "+".join(p.centre for p in patients))
        if self.privacy:
            inputs = [weights, shared, corrections, [vars(p) for p in patients]]
            rng = self.privacy.begin(name, number, count, inputs)
        applied = [Correction(**fields) for fields in unpacked(corrections)]
        began = beginnings(unpacked(weights), applied)
        started = time.perf_counter()
        ended, losses, steps = self._ended(patients, began, applied, shared, number, rng)
        seconds = time.perf_counter() - started
        if is_rounded(bits):
            rng = derived_rng(name, number, "+".join(p.centre for p in patients), "rounding")
            ended = packed(changes(began, ended), bits, rng)
        *also, weights = ended
        if secret:
            asked = digest([name, number, started_from, shared, who, corrections])
            values = as_values(weights, count, losses[-1], steps)
            self._secret = {secret: (f"{secret}:{asked}", values)}
            return {"seconds": seconds}
        return {
            "weights": weights,
            "patients": count,
            "loss": losses[-1],
            "seconds": seconds,
            "steps": steps,
            "also": also,
            "losses": losses if also else [],
        }

    def _ended(
        self,
        patients: list[Patients],
        began: list[Weights],
        corrections: list[Correction],
        shared: Shared,
        number: int,
        rng: np.random.Generator,
    ) -> tuple[list[Weights], list[float], int]:
        """Train once for each correction.

        Returns:
            The final weights and the last loss of each model, and the total number of steps.
        """
        steps = 0
        losses = list[float]()
        ended = list[Weights]()
        for correction in corrections:
            if correction.start or not ended:
                ended.append(began[len(ended)])
                losses.append(0.0)
            before = ended[-1]
            request = TrainRequest(before, shared, number, rng, correction)
            ended[-1], losses[-1], steps_made = self.task.train(patients, request)
            steps += steps_made
            if self.privacy:
                ended[-1] = self.privacy.leaving(before, ended[-1], rng)
                losses[-1] = 0.0
        return ended, losses, steps

    def advertised(self, what: str) -> Message:
        """Begin the secure sum of the secret values of this name; return the public keys for it.

        Args:
            what: name of the sum.

        Returns:
            ``advertised``, see ``SecureSum``.

        Raises:
            Refusal: the site holds no such values.
        """
        if what not in self._secret:
            raise Refusal(f"holds no values for the secure sum '{what}'")
        centre = "+".join(p.centre for p in self.patients)
        kept = self.kit / SUMS_FILE if self.kit else None
        full, values = self._secret.pop(what)
        self._sum = SecureSum(centre, full, values, self._identity, kept)
        self._sum_name = what
        return {"advertised": self._sum.advertised()}

    def shared(self, what: str, keys: dict[str, dict[str, bytes]]) -> Message:
        """Return the encrypted shares of the secrets of this sum, see ``SecureSum``."""
        return {"shared": self._sum_of(what).shared(keys)}

    def hidden(self, what: str, shares: dict[str, bytes]) -> Message:
        """Return the masked values of this sum, see ``SecureSum``."""
        return {"hidden": self._sum_of(what).hidden(shares)}

    def agreed(self, what: str, alive: list[str]) -> Message:
        """Sign whose masked values have arrived, see ``SecureSum``."""
        return {"agreed": self._sum_of(what).agreed(alive)}

    def unmasked(self, what: str, agreements: dict[str, bytes]) -> Message:
        """Reveal what gives the sum over these sites, see ``SecureSum``."""
        return {"unmasked": self._sum_of(what).unmasked(agreements)}

    def _sum_of(self, what: str) -> SecureSum:
        if self._sum is None or self._sum_name != what:
            raise Refusal(f"has not begun the secure sum '{what}'")
        return self._sum

    def _refuse_figures(self, query: str) -> None:
        if self.privacy:
            raise Refusal(f"does not reply to '{query}': it would be a figure without noise")

    def _chosen(
        self, seed: int, folds: int, fold: int, centres: list[str], calibrating: bool
    ) -> list[Patients]:
        """The patients of ``centres`` outside ``fold``; with -1 no fold is held out."""
        chosen = []
        for patients in self.patients:
            if patients.centre in centres:
                rows = training_rows(patients, seed, folds, None if fold < 0 else fold)
                held_out = calibration_rows(patients.take(rows), seed, self.task.calibration)
                chosen.append(patients.take(rows[held_out == calibrating]))
                if len(chosen[-1].pseudonyms) < self.least:
                    raise Refusal(
                        f"{patients.centre} refuses to reply for fewer than "
                        f"privacy.least_patients = {self.least} patients"
                    )
        return chosen
