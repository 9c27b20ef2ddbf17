"""What evidence gossip is made of: a bank of models, and the evidence that orders it."""
