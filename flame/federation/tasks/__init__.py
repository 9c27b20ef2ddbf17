"""What a federation can learn: one task a file."""
