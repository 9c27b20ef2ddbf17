"""A site: holds the patients of its centre and answers the coordinator. Knows no engine.

Only what the methods return leaves the site: weights, counts and sums.
"""

import hashlib
import time
from typing import Any

import numpy as np

from flame import __version__
from flame.core.errors import Refusal
from flame.core.scores import Correction, Weights
from flame.federation.compression import beginnings, changes, is_rounded, packed, unpacked
from flame.federation.folds import calibration_rows, fold_of, training_rows
from flame.federation.privacy.differential import CentrePrivacy
from flame.federation.privacy.secure_aggregation import Masks, as_values
from flame.federation.task import Message, Patients, Query, Shared, Task, TrainRequest


def derived_rng(*names: object) -> np.random.Generator:
    """A generator that depends on ``names`` alone, so that any round can be repeated."""
    digest = hashlib.sha256(":".join(map(str, names)).encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:8], "little"))


class Site:
    """Trains on the patients of one centre; of several only where they may be pooled.

    With fewer than ``least`` patients to answer for, it refuses; ``secure``, it sends no update
    that is not hidden; with ``privacy`` it sends nothing else than updates that have its noise.
    """

    def __init__(
        self,
        task: Task[Any],
        patients: list[Any],
        least: int = 1,
        secure: bool = False,
        privacy: CentrePrivacy | None = None,
    ) -> None:
        self.task, self.least, self.secure, self.privacy = task, least, secure, privacy
        self.patients: list[Patients] = patients
        self._masks, self._kept = Masks(), ("", np.zeros(0))

    def describe(self) -> Message:
        """The version in use, so that sites of another one are found before training."""
        return {"version": __version__}

    def initial_weights(self, seed: int) -> Message:
        """Initial weights of the model, and where each belongs; the same at every site."""
        weights = self.task.initial_weights(self.patients[0], seed)
        return {"weights": weights, "names": list(self.task.weight_names())}

    def reply(
        self,
        question: str,
        given: Message,
        weights: Weights,
        shared: Shared,
        calibrating: bool,
        who: Message,
    ) -> Message:
        """Sums over the patients that ``who`` names (see ``_chosen``)."""
        self._refuse_figures(question)
        chosen = self._chosen(**who, calibrating=calibrating)
        return self.task.reply(chosen, Query(question, given, unpacked(weights), shared))

    def score(self, weights: Weights, shared: Shared, who: Message) -> Message:
        """How well a model does on patients that it did not learn from; empty without any."""
        self._refuse_figures("score")
        (patients,) = self.patients
        rows = patients.labelled
        if patients.centre in who["centres"]:
            if who["fold"] < 0:
                return {}
            rows = rows[fold_of(patients, who["seed"], who["folds"])[rows] == who["fold"]]
        if len(rows) < self.least:
            raise Refusal(f"{patients.centre} tells nothing of fewer than {self.least} patients")
        return self.task.score(patients.take(rows), weights, shared)._asdict()

    def train(
        self,
        name: str,
        number: int,
        weights: Weights,
        shared: Shared,
        who: Message,
        corrections: list[Message],
        secret: bool = False,
        bits: int = 32,
    ) -> Message:
        """Train round ``number`` of the training ``name`` from ``weights``, once a correction.

        A ``secret`` update stays here until ``masked`` asks for it. With fewer than 32 ``bits`` the
        answer holds how far weights moved.
        """
        if self.secure and not secret:
            raise Refusal("sends updates under masks only")
        if self.privacy and len(corrections) != 1:
            raise Refusal("learns once a round: every answer more would show less noise")
        patients = self._chosen(**who, calibrating=False)
        count = sum(len(p.pseudonyms) for p in patients)
        rng = derived_rng(name, number, "+".join(p.centre for p in patients))
        if self.privacy:
            told = [weights, shared, corrections, [vars(p) for p in patients]]
            rng = self.privacy.begin(name, number, count, told)
        each = [Correction(**c) for c in unpacked(corrections)]
        began = beginnings(unpacked(weights), each)
        started = time.perf_counter()
        ended, loss, steps = self._ended(patients, began, each, shared, number, rng)
        seconds = time.perf_counter() - started
        if is_rounded(bits):
            rng = derived_rng(name, number, "+".join(p.centre for p in patients), "rounding")
            ended = packed(changes(began, ended), bits, rng)
        *also, weights = ended
        if secret:
            self._kept = f"{name}:{number}", as_values(weights, count, loss, steps)
            return {"seconds": seconds}
        return {
            "weights": weights,
            "patients": count,
            "loss": loss,
            "seconds": seconds,
            "steps": steps,
            "also": also,
        }

    def _ended(
        self,
        patients: list[Patients],
        began: list[Weights],
        corrections: list[Correction],
        shared: Shared,
        number: int,
        rng: np.random.Generator,
    ) -> tuple[list[Weights], float, int]:
        """Weights of each model after it is trained, the last loss, and all the steps."""
        steps, loss, ended = 0, 0.0, list[Weights]()
        for how in corrections:
            if how.start or not ended:
                ended.append(began[len(ended)])
            before = ended[-1]
            request = TrainRequest(before, shared, number, rng, how)
            ended[-1], loss, made = self.task.train(patients, request)
            steps += made
            if self.privacy:
                ended[-1], loss = self.privacy.leaving(before, ended[-1], rng), 0.0
        return ended, loss, steps

    def key(self) -> Message:
        """The public key by which this site hides updates."""
        return {"key": self._masks.public}

    def masked(self, name: str, number: int, keys: dict[str, bytes]) -> Message:
        """The secret update of a round under masks that cancel over the sites of ``keys``."""
        what, values = self._kept
        if what != f"{name}:{number}":
            raise Refusal(f"holds no update of round {number} of {name}")
        site = next((s for s, key in keys.items() if key == self._masks.public), "")
        return {"masked": self._masks.hide(site, values, what, keys)}

    def _refuse_figures(self, question: str) -> None:
        if self.privacy:
            raise Refusal(f"does not reply to '{question}': it would be a figure without noise")

    def _chosen(
        self, seed: int, folds: int, fold: int, centres: list[str], calibrating: bool
    ) -> list[Patients]:
        """Patients of ``centres`` outside ``fold`` (-1 holds nobody out)."""
        found = []
        for patients in self.patients:
            if patients.centre in centres:
                rows = training_rows(patients, seed, folds, None if fold < 0 else fold)
                kept = calibration_rows(patients.take(rows), seed, self.task.calibration)
                found.append(patients.take(rows[kept == calibrating]))
                if len(found[-1].pseudonyms) < self.least:
                    raise Refusal(
                        f"{patients.centre} refuses to reply for fewer than "
                        f"privacy.least_patients = {self.least} patients"
                    )
        return found
