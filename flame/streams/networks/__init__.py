"""Networks that learn from streams."""
