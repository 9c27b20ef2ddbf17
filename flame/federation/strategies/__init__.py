"""Aggregation strategies, one a file: pure functions on arrays, registered by name."""
