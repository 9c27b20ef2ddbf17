"""The global model is no entry of the bank, and every node holds it."""

from flame.streams.learners.evidence.global_model import global_model
from tests.helpers.evidence_bank import START, bank_of, opened


def test_it_shares_no_backbone_and_no_name_with_entries() -> None:
    model, entries = global_model(START), opened(bank_of(0), 0, 1).entries
    assert model.held.all()
    assert model.opened not in [entry.opened for entry in entries]
    assert not any((model.backbone == entry.backbone).any() for entry in entries)
