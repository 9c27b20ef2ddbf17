"""A site replies to the calls that follow from the configuration, and to no others."""

from dataclasses import replace
from typing import Any

import pytest

from flame.core.errors import Refusal
from flame.federation.privacy.declaration import Declaration
from flame.federation.trainings import Training, who

TRAINING = Training("federated", ("a", "b"), 3, 5, 1)


def declared() -> Declaration:
    return Declaration([TRAINING], rounds=2, most_sums=4)


def call(**changed: Any) -> dict[str, Any]:
    call = {"name": TRAINING.name, "number": 1, "who": who(TRAINING), "corrections": [{}]}
    return call | changed


def test_rounds_of_the_run_alone() -> None:
    run = declared()
    run.check("train", call())
    with pytest.raises(Refusal, match="trains the 2 rounds of this run only"):
        run.check("train", call(number=3))
    with pytest.raises(Refusal, match="for the trainings of this run only"):
        run.check("train", call(name="federated.seed-9.all"))
    with pytest.raises(Refusal, match="for the trainings of this run only"):
        run.check("train", call(who=who(TRAINING) | {"fold": True}))
    with pytest.raises(Refusal, match="3 models a round at most"):
        run.check("train", call(corrections=[{}] * 4))
    with pytest.raises(Refusal, match="this run's seeds only"):
        run.check("initial_weights", {"seed": 4})


def test_a_round_starts_from_three_weights_at_most() -> None:
    """A repeat after an interruption is the same call; a fourth start is none of these."""
    run = declared()
    for start in (0.0, 0.0, 1.0, 2.0, 2.0):
        run.check("train", call(weights=[start]))
    with pytest.raises(Refusal, match=r"as many different queries of one kind as .* needs \(3\)"):
        run.check("train", call(weights=[3.0]))


def test_scores_are_counted() -> None:
    """With a thousand scores of its own weights, a server read nearly all patients."""
    run = declared()
    for weights in (0.0, 1.0, 2.0, 2.0):
        run.check("score", {"who": who(TRAINING), "weights": [weights]})
    with pytest.raises(Refusal, match=r"needs \(3\)"):
        run.check("score", {"who": who(TRAINING), "weights": [3.0]})


def test_coefficients_are_counted_over_queries() -> None:
    run = declared()
    query = {"query": "sums", "who": who(TRAINING)}
    run.check("reply", query | {"parameters": {"beta": [1.0, 2.0, 3.0]}})
    with pytest.raises(Refusal, match=r"needs \(4\)"):
        run.check("reply", query | {"parameters": {"beta": [4.0, 5.0]}})
    run.check("reply", query | {"parameters": {"beta": [4.0]}})


def test_a_query_of_the_whole_is_refused_where_anybody_is_held_out() -> None:
    whole = replace(TRAINING, fold=None)
    run = Declaration([TRAINING, whole], rounds=2, most_sums=4, whole_queries=("hazard",))
    query = {"query": "hazard", "parameters": {}}
    run.check("reply", {"who": who(whole), **query})
    with pytest.raises(Refusal, match="where nobody is held out only"):
        run.check("reply", {"who": who(TRAINING), **query})
    for name in ("a", "b"):
        run.check("reply", {"who": who(whole), **query, "weights": name})
    with pytest.raises(Refusal, match="as many different queries"):
        run.check("reply", {"who": who(whole), **query, "weights": "c"})
