"""Which round of a training is kept: the best on patients that are kept apart from it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from flame.federation.checkpoint import Checkpoint
from flame.federation.task import Message


@dataclass(frozen=True)
class EarlyStopping:
    """Watches the loss ``on`` the mean over patients or the worst site; lower is better.

    Training ends when ``patience`` rounds have brought nothing better; 0: after all rounds.
    """

    on: str = "mean"
    patience: int = 0

    def loss(self, answers: Mapping[str, Message]) -> float:
        """From sums of losses and counts of patients by site."""
        known = [a for a in answers.values() if a["count"]]
        if not known:
            return float("nan")
        if self.on == "worst":
            return max(float(a["loss"] / a["count"]) for a in known)
        return float(sum(a["loss"] for a in known) / sum(a["count"] for a in known))

    def after(self, at: Checkpoint, loss: float) -> Checkpoint:
        """The checkpoint, remembering its round if it is the best so far."""
        if np.isfinite(loss) and not loss >= at.best_loss:
            return replace(at, best=at.state, best_loss=loss, best_round=at.round)
        return at

    def is_over(self, at: Checkpoint) -> bool:
        """Whether nothing better is awaited."""
        return (
            bool(self.patience)
            and at.best is not None
            and (at.round - at.best_round >= self.patience)
        )
