"""Checks of the updates that sites send, and the rows that a round adds to the history."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from flame.core.arrays import all_finite
from flame.core.scores import Update, Weights
from flame.federation.calls import Replies
from flame.federation.compression import changed, unpacked
from flame.federation.strategies.strategy import State

_OTHER_SHAPE = "sent weights of another shape: do versions differ?"


def added(replies: Replies, began: Mapping[str, list[Weights]]) -> Replies:
    """Turn the changes that sites sent into weights.

    Args:
        replies: replies to ``train`` whose ``weights`` and ``also`` are rounded changes.
        began: the weights that each model of a site started from, by site.

    Returns:
        The replies with weights. Sites that sent arrays of other shapes are lost.
    """
    got = {}
    lost = dict(replies.lost)
    for site, reply in replies.got.items():
        try:
            *also, weights = changed(began[site], unpacked([*reply["also"], reply["weights"]]))
            got[site] = {**reply, "weights": weights, "also": also}
        except ValueError:
            lost[site] = _OTHER_SHAPE
    return Replies(got, lost)


def checked(
    replies: Replies, state: State, models: Mapping[str, int]
) -> tuple[list[Update], dict[str, str]]:
    """Accept the updates that fit the model, and reject the others.

    An update is rejected if it has another number of models than was asked for, if the shapes of
    its weights differ from the model's, or if a weight or loss is not finite. One site cannot spoil
    the model with such values.

    Args:
        replies: replies to ``train`` by site, and the sites that are lost already.
        state: the state of the model, whose shapes count.
        models: number of models that each site was asked for.

    Returns:
        The accepted updates in order of site, and why each other site is lost, by site.

    Example:
        >>> reply = {"weights": [np.array([np.nan])], "patients": 9, "loss": 0.5}
        >>> reply |= {"seconds": 1.0, "steps": 1}
        >>> replies = Replies({"UCSF": reply})
        >>> updates, lost = checked(replies, State([np.zeros(1)]), models={"UCSF": 1})
        >>> updates, list(lost)
        ([], ['UCSF'])
    """
    updates = []
    lost = dict(replies.lost)
    for site, reply in sorted(replies.got.items()):
        why = _reason_to_reject(reply, state, models[site])
        if why:
            lost[site] = why
            continue
        update = Update(
            site,
            reply["weights"],
            reply["patients"],
            reply["loss"],
            reply["seconds"],
            reply["steps"],
            tuple(reply.get("also", ())),
            tuple(reply.get("losses", ())),
        )
        updates.append(update)
    return updates, lost


def _reason_to_reject(reply: dict[str, Any], state: State, models: int) -> str:
    also = reply.get("also", ())
    losses = [reply["loss"], *reply.get("losses", ())]
    if len(also) + 1 != models or len(losses) not in (1, models + 1):
        return "sent another number of models or losses than it was asked for"
    if not all(isinstance(loss, float | int | np.number) for loss in losses):
        return "sent losses that are no numbers"
    for weights in (reply["weights"], *also):
        if [np.shape(w) for w in weights] != [w.shape for w in state.weights]:
            return _OTHER_SHAPE
        if not (all_finite(weights) and np.isfinite(losses).all()):
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
    rows: list[dict[str, Any]] = [
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
    for site, why in lost.items():
        rows.append({**at_round, "site": site, "patients": 0, "lost": why})
    return rows
