"""The tasks that a federation can learn, one per module of its name."""
