"""Forecasts of the tumour."""
