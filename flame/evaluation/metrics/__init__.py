"""What is measured, with intervals, and how it generalises over centres."""
