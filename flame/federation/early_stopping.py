"""Early stopping: keeps the round with the lowest loss on patients held out for validation."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from flame.federation.checkpoint import Checkpoint
from flame.federation.task import Message


@dataclass(frozen=True)
class EarlyStopping:
    """Tracks the validation loss and decides when a training ends; lower is better.

    The training ends after ``patience`` rounds in a row without a lower loss.

    Args:
        on: ``mean``: sum of losses over all patients, divided by their number; ``worst``: the
            highest mean loss of a site.
        patience: number of rounds without improvement; 0: the training runs all rounds.
    """

    on: str = "mean"
    patience: int = 0

    def loss(self, replies: Mapping[str, Message]) -> float:
        """Compute the validation loss of a round.

        Args:
            replies: replies by site: ``loss``, the sum of losses over its validation patients, and
                ``count``, their number.

        Returns:
            The loss; NaN if no site has validation patients.

        Example:
            >>> replies = {"a": {"loss": 3.0, "count": 1}, "b": {"loss": 1.0, "count": 3}}
            >>> EarlyStopping("mean").loss(replies), EarlyStopping("worst").loss(replies)
            (1.0, 3.0)
        """
        known = [reply for reply in replies.values() if reply["count"]]
        if not known:
            return float("nan")
        if self.on == "worst":
            return max(float(reply["loss"] / reply["count"]) for reply in known)
        total = sum(reply["loss"] for reply in known)
        return float(total / sum(reply["count"] for reply in known))

    def after(self, at: Checkpoint, loss: float) -> Checkpoint:
        """Record the round as the best if its loss is the lowest so far.

        Args:
            at: the checkpoint after the round.
            loss: validation loss of the round; if it is not finite the round is not recorded.

        Returns:
            The checkpoint with ``best``, ``best_loss`` and ``best_round``, which are updated if the
            round is the best.
        """
        if np.isfinite(loss) and not loss >= at.best_loss:
            return replace(at, best=at.state, best_loss=loss, best_round=at.round)
        return at

    def is_over(self, at: Checkpoint) -> bool:
        """Return whether the training ends.

        Args:
            at: the checkpoint after the last round.

        Returns:
            True if ``patience`` rounds have passed since the best one.
        """
        return (
            bool(self.patience)
            and at.best is not None
            and (at.round - at.best_round >= self.patience)
        )
