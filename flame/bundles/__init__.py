"""Models outside their run: bundles, predictions for new patients, and external validation."""
