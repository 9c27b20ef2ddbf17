"""Networks that streams train."""
