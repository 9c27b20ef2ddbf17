"""Bayes' rule by hand: a node stays, goes back to a model, or opens one."""

import numpy as np
import pytest
from scipy.special import softmax

from flame.streams.learners.evidence.bank import FORGOTTEN, Bank
from flame.streams.learners.evidence.labelling import Labelling, log_prior
from flame.streams.learners.evidence.new_concept import chunk_evidence
from flame.streams.learners.evidence.options import EvidenceOptions
from flame.streams.learners.learner import Pace
from tests.helpers.evidence_bank import NETWORK, START, bank_of, opened, sine, taught

NOBODY = np.full(10, FORGOTTEN)


def labelling(**options: bool) -> Labelling:
    return Labelling(NETWORK, START, Pace(), EvidenceOptions(**options))


def test_staying_is_as_likely_beforehand_as_all_others_that_a_node_holds_and_a_new_one() -> None:
    bank, batch = opened(bank_of(0, 1), 0, 0, 0), sine().batches[2]
    bank.entries[2].held[:5] = False
    found = labelling(births=True).verdict(bank, batch, np.zeros(10, int))
    evidence = [chunk_evidence(NETWORK.probability(s.models, batch.x), batch) for s in bank.entries]
    log = np.stack([*evidence, found.new.evidence], axis=1)
    two, three = [0, 1, 3], np.log([4, 1, 1, 2])  # the first nodes do not hold the third
    assert found.posterior[:5, two] == pytest.approx(softmax(log[:5, two] + np.log([2, 1, 1]), 1))
    assert not found.posterior[:5, 2].any()
    assert found.posterior[5:] == pytest.approx(softmax(log[5:] + three, axis=1))
    assert np.array_equal(found.best, found.posterior.argmax(axis=1))


def test_what_is_likely_beforehand_by_hand() -> None:
    log = np.array([[-7.0, -3.0, -9.0, -1.0], [-7.0, -3.0, -np.inf, -1.0]])
    all_three, two = np.exp(log_prior(log, np.zeros(2, int)))
    assert all_three == pytest.approx([1 / 2, 1 / 8, 1 / 8, 1 / 4])
    assert two[[0, 1, 3]] == pytest.approx([1 / 2, 1 / 4, 1 / 4])


def test_a_model_that_learned_the_concept_is_gone_back_to_and_told_by() -> None:
    stream, bank = sine(), opened(bank_of(0), 0, 0)
    first, again = stream.batches[0], stream.batches[1]
    model = taught(first)
    bank.entries[1].models = model
    same = stream.concept[1] == stream.concept[0]
    found = labelling().verdict(bank, again, np.zeros(10, int))
    assert (found.best[same] == 1).mean() > 0.6
    assert (found.best != 0).all()
    back = found.best == 1
    assert np.array_equal(found.predicted[back], NETWORK.probability(model, again.x)[back])


@pytest.mark.parametrize("births", [True, False])
def test_who_holds_nothing_opens_a_model_from_the_first_weights(births: bool) -> None:
    batch, bank = sine().batches[0], opened(bank_of(0), 0)
    bank.entries[0].held[:] = False
    for each in (Bank(10), bank):
        found = labelling(births=births).verdict(each, batch, NOBODY)
        assert (found.best == len(each.entries)).all()
        assert (found.parent == FORGOTTEN).all()
        assert np.array_equal(found.predicted, found.new.predicted)
