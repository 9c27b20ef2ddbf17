"""Checks of preprocessed days, their page and reviews by people."""
