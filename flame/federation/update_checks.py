"""Checks of the updates that sites send, and the rows that a round adds to the history."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from flame.core.scores import Update, Weights
from flame.federation.calls import Answers
from flame.federation.compression import changed, unpacked
from flame.federation.strategies.strategy import State

_OTHER_SHAPE = "sent weights of another shape: do versions differ?"


def added(answers: Answers, began: Mapping[str, list[Weights]]) -> Answers:
    """Turn the changes that sites sent into weights.

    Args:
        answers: replies to ``train`` whose ``weights`` and ``also`` are rounded changes.
        began: the weights that each model of a site started from, by site.

    Returns:
        The replies with weights. Sites that sent arrays of other shapes are lost.
    """
    got, lost = {}, dict(answers.lost)
    for site, answer in answers.got.items():
        try:
            *also, weights = changed(began[site], unpacked([*answer["also"], answer["weights"]]))
            got[site] = {**answer, "weights": weights, "also": also}
        except ValueError:
            lost[site] = _OTHER_SHAPE
    return Answers(got, lost)


def checked(answers: Answers, state: State) -> tuple[list[Update], dict[str, str]]:
    """Accept the updates that fit the model, and reject the others.

    An update is rejected if the shapes of its weights differ from the model's, or if a weight or
    the loss is not finite. One site cannot spoil the model with such values.

    Args:
        answers: replies to ``train`` by site, and the sites that are lost already.
        state: the state of the model, whose shapes count.

    Returns:
        The accepted updates in order of site, and why each other site is lost.

    Example:
        >>> reply = {"weights": [np.array([np.nan])], "patients": 9, "loss": 0.5}
        >>> reply |= {"seconds": 1.0, "steps": 1}
        >>> updates, lost = checked(Answers({"UCSF": reply}), State([np.zeros(1)]))
        >>> updates, list(lost)
        ([], ['UCSF'])
    """
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
    """Build the rows of history.csv that a round adds, one per site.

    Args:
        training: name of the training.
        number: number of the round, from 1.
        seconds: duration of the round in s, from the first message until all sites replied.
        updates: the accepted updates.
        lost: why each other site has no update, by site.

    Returns:
        The rows; those of lost sites have no loss and 0 patients.
    """
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
