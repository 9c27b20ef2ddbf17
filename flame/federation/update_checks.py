"""What sites sent in a round: what of it may count, and how it goes into the history."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from flame.core.scores import Update, Weights
from flame.federation.calls import Answers
from flame.federation.compression import changed, unpacked
from flame.federation.strategies.strategy import State

_OTHER_SHAPE = "sent weights of another shape: do versions differ?"


def added(answers: Answers, began: Mapping[str, list[Weights]]) -> Answers:
    """Answers that hold changes, with these added to the weights that they began from."""
    got, lost = {}, dict(answers.lost)
    for site, answer in answers.got.items():
        try:
            *also, weights = changed(began[site], unpacked([*answer["also"], answer["weights"]]))
            got[site] = {**answer, "weights": weights, "also": also}
        except ValueError:
            lost[site] = _OTHER_SHAPE
    return Answers(got, lost)


def checked(answers: Answers, state: State) -> tuple[list[Update], dict[str, str]]:
    """Updates in order of site, and why the others are lost: one may not spoil the model."""
    updates, lost = [], dict(answers.lost)
    for site, answer in sorted(answers.got.items()):
        why = _spoilt(answer, state)
        if why:
            lost[site] = why
            continue
        counts = answer["patients"], answer["loss"], answer["seconds"], answer["steps"]
        also = tuple(answer.get("also", ()))
        updates.append(Update(site, answer["weights"], *counts, also))
    return updates, lost


def _spoilt(answer: dict[str, Any], state: State) -> str:
    for weights in (answer["weights"], *answer.get("also", ())):
        if [np.shape(w) for w in weights] != [w.shape for w in state.weights]:
            return _OTHER_SHAPE
        if not all(np.isfinite(w).all() for w in weights) or not np.isfinite(answer["loss"]):
            return (
                "sent weights or a loss that are not finite; lower training.learning_rate and "
                "look at the site's data"
            )
    return ""


def rows_of(
    training: str, number: int, seconds: float, updates: list[Update], lost: dict[str, str]
) -> list[dict[str, Any]]:
    """A row of history.csv for each site; ``seconds`` are those until all had answered."""
    at_round = {"training": training, "round": number, "round_seconds": seconds}
    there = [
        {
            **at_round,
            "site": u.centre,
            "patients": u.patients,
            "loss": u.loss,
            "seconds": round(u.seconds, 4),
            "lost": "",
        }
        for u in updates
    ]
    return there + [{**at_round, "site": s, "patients": 0, "lost": why} for s, why in lost.items()]
