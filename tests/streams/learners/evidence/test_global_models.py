"""Global models: which rows train them, and that they are no entries of the bank."""

from flame.streams.learners.evidence.global_models import global_models, rows_of
from tests.helpers.evidence_bank import START, bank_of, sine


def test_one_learns_every_remembered_row_and_one_those_of_the_newest_batch() -> None:
    bank = bank_of(0, 1, 0)
    bank.memories[0].entry[4] = -1  # the fifth node forgot its first batch
    bank.memories[2].batch.exists[7, 60:] = False
    all_batches, newest = global_models(START)
    weights = rows_of(bank, all_batches)
    assert weights.sum(axis=1).tolist() == [300] * 4 + [200] + [300] * 2 + [260] + [300] * 2
    assert rows_of(bank, newest).shape == sine().batches[2].y.shape
    assert rows_of(bank, newest).sum(axis=1).tolist() == [100] * 7 + [60] + [100] * 2


def test_they_share_no_backbone_with_each_other_or_with_entries() -> None:
    models = global_models(START)
    assert {model.opened for model in models} == {(-1, 0), (-1, 1)}
    assert len({int(b) for model in models for b in model.backbone}) == len(models)
    assert all((model.backbone < 0).all() and model.held.all() for model in models)
