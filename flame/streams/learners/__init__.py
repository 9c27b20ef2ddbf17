"""Ways of learning from streams, one a file."""
