"""Models: tumour segmentation, tumour evolution, response, exact regressions, clinical criteria."""
