"""Early stopping: keeps the round with the lowest loss on patients held out for validation."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from flame.federation.checkpoint import Checkpoint
from flame.federation.task import Message


@dataclass(frozen=True)
class EarlyStopping:
    """Tracks the validation loss and decides when a training ends; lower is better.

    The training ends once ``patience`` rounds in a row brought no lower loss.

    Args:
        on: ``mean``: sum of losses over all patients, divided by their number; ``worst``: the
            highest mean loss of a site.
        patience: number of rounds without improvement; 0: the training runs all rounds.
    """

    on: str = "mean"
    patience: int = 0

    def loss(self, answers: Mapping[str, Message]) -> float:
        """Compute the validation loss of a round.

        Args:
            answers: replies by site: ``loss``, the sum of losses over its validation patients, and
                ``count``, their number.

        Returns:
            The loss; NaN if no site has validation patients.

        Example:
            >>> replies = {"a": {"loss": 3.0, "count": 1}, "b": {"loss": 1.0, "count": 3}}
            >>> EarlyStopping("mean").loss(replies), EarlyStopping("worst").loss(replies)
            (1.0, 3.0)
        """
        known = [a for a in answers.values() if a["count"]]
        if not known:
            return float("nan")
        if self.on == "worst":
            return max(float(a["loss"] / a["count"]) for a in known)
        return float(sum(a["loss"] for a in known) / sum(a["count"] for a in known))

    def after(self, at: Checkpoint, loss: float) -> Checkpoint:
        """Record the round as the best if its loss is the lowest so far.

        Args:
            at: the checkpoint after the round.
            loss: validation loss of the round; if it is not finite the round is not recorded.

        Returns:
            The checkpoint, with ``best``, ``best_loss`` and ``best_round`` updated.
        """
        if np.isfinite(loss) and not loss >= at.best_loss:
            return replace(at, best=at.state, best_loss=loss, best_round=at.round)
        return at

    def is_over(self, at: Checkpoint) -> bool:
        """Return whether the training ends: ``patience`` rounds passed since the best one.

        Args:
            at: the checkpoint after the last round.
        """
        return (
            bool(self.patience)
            and at.best is not None
            and (at.round - at.best_round >= self.patience)
        )
