"""Parts of evidence gossip: the bank of models, and the evidence that changes it."""
