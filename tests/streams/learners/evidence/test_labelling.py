"""Bayes' rule by hand: a node stays, goes back to a model, or opens one."""

import numpy as np
import pytest
from scipy.special import softmax

from flame.streams.learners.evidence.bank import FORGOTTEN, Bank
from flame.streams.learners.evidence.labelling import Labelling, Moves, log_prior
from flame.streams.learners.evidence.new_concept import chunk_evidence
from flame.streams.learners.evidence.options import EvidenceOptions
from flame.streams.learners.learner import Pace
from tests.helpers.evidence_bank import NETWORK, START, bank_of, opened, sine, taught

FOLLOWS = {count: np.eye(max(count, 1))[np.zeros(10, int)][:, :count] for count in range(4)}
"""Posteriors of ten nodes that follow the first of so many entries for certain."""
UNCOUNTED = Moves(10)


def labelling(**options: bool) -> Labelling:
    return Labelling(NETWORK, START, Pace(), EvidenceOptions(**options))


def test_staying_is_as_probable_as_all_others_that_a_node_holds_and_a_new_one() -> None:
    bank, batch = opened(bank_of(0, 1), 0, 0, 0), sine().batches[2]
    bank.entries[2].held[:5] = False
    found = labelling(births=True).verdict(bank, batch, FOLLOWS[3], UNCOUNTED)
    evidence = [chunk_evidence(NETWORK.probability(s.models, batch.x), batch) for s in bank.entries]
    log = np.stack([*evidence, found.new.evidence], axis=1)
    two, three = [0, 1, 3], np.log([4, 1, 1, 2])  # the first nodes do not hold the third
    assert found.posterior[:5, two] == pytest.approx(softmax(log[:5, two] + np.log([2, 1, 1]), 1))
    assert not found.posterior[:5, 2].any()
    assert found.posterior[5:] == pytest.approx(softmax(log[5:] + three, axis=1))
    assert np.array_equal(found.best, found.posterior.argmax(axis=1))


def test_the_prior_filters_the_posterior_of_the_batch_before_by_hand() -> None:
    """Moves 1/2, 1/4, 1/4; then 4 more: counts 2 + 3, 1 + 1 and 1, of 8."""
    held = np.array([[True, True, True], [True, True, False]])
    before = np.array([[0.6, 0.4, 0.0], [0.6, 0.4, 0.0]])
    moves = Moves(2)
    all_three, two = np.exp(log_prior(held, before, moves))
    assert all_three == pytest.approx([0.3 + 0.4 / 8, 0.2 + 0.6 / 8, 1 / 8, 1 / 4])
    assert two == pytest.approx([0.3 + 0.4 / 4, 0.2 + 0.6 / 4, 0, 1 / 4])
    second = np.array([False, True])
    for moved in (Moves.STAY, Moves.STAY, Moves.RETURN, Moves.STAY):
        moves.count(np.full(2, moved), second)
    assert np.exp(log_prior(held, before, moves))[0] == pytest.approx(all_three)
    learned = np.exp(log_prior(held, before, moves))[1]
    assert learned == pytest.approx([(3 + 0.8) / 8, (2 + 1.2) / 8, 0, 1 / 8])


def test_a_model_that_learned_the_concept_is_gone_back_to_and_told_by() -> None:
    stream, bank = sine(), opened(bank_of(0), 0, 0)
    first, again = stream.batches[0], stream.batches[1]
    model = taught(first)
    bank.entries[1].models = model
    same = stream.concept[1] == stream.concept[0]
    found = labelling().verdict(bank, again, FOLLOWS[2], UNCOUNTED)
    assert (found.best[same] == 1).mean() > 0.6
    assert (found.best != 0).all()
    back = found.best == 1
    assert np.array_equal(found.predicted[back], NETWORK.probability(model, again.x)[back])


@pytest.mark.parametrize("births", [True, False])
def test_who_holds_nothing_opens_a_model_from_the_first_weights(births: bool) -> None:
    batch, bank = sine().batches[0], opened(bank_of(0), 0)
    bank.entries[0].held[:] = False
    for each in (Bank(10), bank):
        found = labelling(births=births).verdict(each, batch, FOLLOWS[len(each.entries)], UNCOUNTED)
        assert (found.best == len(each.entries)).all()
        assert (found.parent == FORGOTTEN).all()
        assert np.array_equal(found.predicted, found.new.predicted)
