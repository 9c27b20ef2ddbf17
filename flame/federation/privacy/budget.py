"""How much differential privacy a centre has spent: exact composition over rounds and runs."""

import json
import math
from dataclasses import dataclass
from pathlib import Path

from flame.core.errors import Refusal
from flame.core.files import write_text

BUDGET_FILE = "budget.json"


@dataclass(frozen=True)
class Spent:
    """``steps`` of a Gaussian mechanism, which each patient enters with probability ``rate``.

    ``noise`` is its standard deviation over the most that one patient, or centre, can change.
    """

    noise: float
    rate: float
    steps: int


def epsilon(spent: list[Spent], delta: float) -> float:
    """Epsilon at ``delta`` of everything together (Renyi divergences, Mironov 2017).

    Adding or removing one patient, or centre (doi:10.1109/CSF.2017.11; dp-accounting).
    """
    from dp_accounting import GaussianDpEvent, PoissonSampledDpEvent
    from dp_accounting.rdp import RdpAccountant

    accountant = RdpAccountant()
    together: dict[tuple[float, float], int] = {}
    for each in spent:
        key = each.noise, each.rate
        together[key] = together.get(key, 0) + each.steps
    for (noise, rate), steps in together.items():
        if noise == 0:
            return math.inf
        event = GaussianDpEvent(noise)
        accountant.compose(event if rate >= 1 else PoissonSampledDpEvent(rate, event), steps)
    return float(accountant.get_epsilon(delta)) if together else 0.0


class Budget:
    """What one centre has spent, by message, on its own disk: a message repeated costs nothing.

    ``limit`` of epsilon at ``delta``, infinite for none; without a ``path`` it is kept in memory.
    """

    def __init__(self, path: Path | None, limit: float, delta: float) -> None:
        self.path, self.limit, self.delta = path, limit, delta
        known = json.loads(path.read_text()) if path and path.exists() else {}
        self.spent = {message: Spent(**values) for message, values in known.items()}

    def spend(self, message: str, cost: Spent) -> None:
        """Book a message before it is made; Refusal where it would exceed the limit."""
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
        if self.path:
            write_text(self.path, json.dumps({m: vars(s) for m, s in after.items()}, indent=0))
