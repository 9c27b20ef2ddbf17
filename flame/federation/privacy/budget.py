"""The privacy budget of a centre: its steps of all rounds and runs, composed into one epsilon."""

import json
import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from flame.core.errors import Refusal
from flame.core.files import locked, write_text

BUDGET_FILE = "budget.json"
"""Name of the budget's file in the kit of a site."""


@dataclass(frozen=True)
class Spent:
    """Some steps of a Gaussian mechanism.

    Args:
        noise: noise multiplier: standard deviation of the noise divided by the most that replacing
            one patient (or the data of the centre) can change, which is twice the clip.
        steps: number of steps.
        size: patients in each step, drawn without replacement; 0: all.
        patients: patients of whom they are drawn; 0: no drawing.
    """

    noise: float
    steps: int
    size: int = 0
    patients: int = 0


def epsilon(spent: list[Spent], delta: float) -> float:
    """Compute the epsilon of all steps together, by Renyi differential privacy.

    Neighbouring data sets differ in the record of one patient (or in all data of the centre), which
    is replaced by any other (replace-one); their number is public. The Renyi divergences of all
    steps are added and converted to epsilon at ``delta``; without sampling a step has divergence
    a / (2 noise^2) at order a.

    Args:
        spent: the steps so far.
        delta: probability with which epsilon may be exceeded.

    Returns:
        Epsilon; 0 for no steps, infinite for a step without noise.

    Reference:
        Mironov 2017, doi:10.1109/CSF.2017.11; computed by dp-accounting.

    Example:
        Four steps at twice the noise cost as much as one step.

        >>> round(epsilon([Spent(noise=1.0, steps=1)], delta=1e-5), 2)
        4.73
        >>> round(epsilon([Spent(noise=2.0, steps=4)], delta=1e-5), 2)
        4.73
    """
    from dp_accounting import (
        DpEvent,
        GaussianDpEvent,
        NeighboringRelation,
        SampledWithoutReplacementDpEvent,
    )
    from dp_accounting.rdp import RdpAccountant

    accountant = RdpAccountant(neighboring_relation=NeighboringRelation.REPLACE_ONE)
    if any(part.noise == 0 for part in spent):
        return math.inf
    steps_of: dict[Spent, int] = {}
    for part in spent:
        mechanism = replace(part, steps=1)
        steps_of[mechanism] = steps_of.get(mechanism, 0) + part.steps
    for mechanism, steps in steps_of.items():
        event: DpEvent = GaussianDpEvent(mechanism.noise)
        if mechanism.size < mechanism.patients:
            event = SampledWithoutReplacementDpEvent(mechanism.patients, mechanism.size, event)
        accountant.compose(event, steps)
    return float(accountant.get_epsilon(delta)) if steps_of else 0.0


class Budget:
    """The budget of one centre on its own disk; a message that is repeated is charged once.

    Args:
        path: JSON file of the steps spent so far; None: they are held in memory only.
        limit: the largest epsilon; infinite: no limit.
        delta: delta at which epsilon is computed.
    """

    def __init__(self, path: Path | None, limit: float, delta: float) -> None:
        self.path = path
        self.limit = limit
        self.delta = delta
        self.spent = self._kept()

    def _kept(self) -> dict[str, Spent]:
        known = json.loads(self.path.read_text()) if self.path and self.path.exists() else {}
        return {message: _spent(values) for message, values in known.items()}

    def spend(self, message: str, cost: Spent) -> None:
        """Charge a message before it is computed; runs at the same time share the budget.

        Args:
            message: identifier of the message; a known message is not charged again.
            cost: the steps that the message takes.

        Raises:
            Refusal: epsilon would exceed the limit.

        Example:
            >>> budget = Budget(None, limit=5.0, delta=1e-5)
            >>> for _ in range(3):
            ...     budget.spend("round 1", Spent(noise=1.0, steps=1))
            >>> list(budget.spent)
            ['round 1']
        """
        if self.path is None:
            self._charge(message, cost)
            return
        with locked(self.path.with_suffix(".lock"), wait=True):
            self.spent = self._kept()
            self._charge(message, cost)
            values = {name: vars(steps) for name, steps in self.spent.items()}
            write_text(self.path, json.dumps(values, indent=0), private=True)

    def _charge(self, message: str, cost: Spent) -> None:
        if message in self.spent:
            return
        after = {**self.spent, message: cost}
        if math.isfinite(self.limit):
            reached = epsilon(list(after.values()), self.delta)
            if reached > self.limit:
                raise Refusal(
                    f"has spent its privacy budget: epsilon would be {reached:.2f} of "
                    f"{self.limit:g} at delta = {self.delta:g}"
                )
        self.spent = after


def _spent(values: dict[str, Any]) -> Spent:
    """Return a kept cost; those of before, relative to the clip, count in full and unsampled."""
    if "rate" in values:
        return Spent(values["noise"] / 2, values["steps"])
    return Spent(**values)
